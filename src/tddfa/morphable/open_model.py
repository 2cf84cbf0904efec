"""The open face model that ships with the library: its file, its levels of detail, its crops."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float


def in_face(vertices: Float[np.ndarray, "n 3"], unit: float) -> Bool[np.ndarray, " n"]:
    """Which vertices of the neutral head belong to the face, from forehead to chin and in front of the ears.

    Args:
        vertices: model frame, the origin between the eye corners.
        unit: distance of the outer eye corners, same unit.
    """
    _, y, z = (vertices / unit).T
    return (y <= 0.26 + 0.42 * (z + 0.93)) & (z >= -0.72) & (y >= -0.83 - 0.62 * (z + 0.83))
