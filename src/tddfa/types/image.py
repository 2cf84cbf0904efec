"""Images."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from tddfa.shapes import UInt8

Image: TypeAlias = UInt8[np.ndarray, "_height _width 3"]
"""An image: RGB, row-major. OpenCV reads BGR: `image[..., ::-1]` turns one into the other."""
