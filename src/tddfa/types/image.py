"""Images."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from tddfa.errors import InputError
from tddfa.shapes import UInt8

Image: TypeAlias = UInt8[np.ndarray, "_height _width 3"]
"""An image: RGB, row-major. OpenCV reads BGR: `image[..., ::-1]` turns one into the other."""


def check_image(image: Any, name: str = "the image") -> None:
    """Refuse what is no RGB image.

    Args:
        image: any object.
        name: name of the image in the message.

    Raises:
        InputError: `image` is not an array (h, w, 3) of uint8 with at least one pixel.
    """
    # The values behind a mask are no part of what a masked array shows.
    if not isinstance(image, np.ndarray) or hasattr(image, "mask"):
        raise InputError(
            f"{name} is a {type(image).__name__}; an RGB array (height, width, 3) of uint8 is needed, as "
            f"read_image gives it"
        )
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise InputError(
            f"{name} has the shape {image.shape} and type {image.dtype}; an RGB array "
            f"(height, width, 3) of uint8 is needed"
        )
