"""Texture layouts: where the islands of skin, eyeballs and mouth lie in the square."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

MARGIN = 0.01
"""Share of the face's layout around its islands: filters read beyond the border of the skin."""
EYEBALL_SIZE = {"head": 0.11, "face": 0.17}
"""Side of the square that each eyeball gets; on the face its texels are as large as those of the skin."""
EYEBALL_CORNER = {"head": (0.0, 0.89), "face": (MARGIN, MARGIN)}
"""Lower left corner of the square of the right eyeball; the left one's is mirrored."""
MOUTH_BOX = {"head": (0.01, 0.005, 0.16, 0.075), "face": (0.19, MARGIN, 0.085, 0.06)}
"""Left, bottom, width and height of the box of the right half of the mouth; the left one's is mirrored."""


def into_box(
    square: Float64[np.ndarray, "n 2"], box: tuple[float, float, float, float], *, left: bool
) -> Float64[np.ndarray, "n 2"]:
    """Return coordinates in the unit square moved into a box of the right side, or the box it mirrors."""
    moved = np.array(box[:2]) + square * box[2:]
    return moved * [-1, 1] + [1, 0] if left else moved


def fill_square(
    uv: Float64[np.ndarray, "n 2"], part: Float64[np.ndarray, "m 2"]
) -> Float64[np.ndarray, "n 2"]:
    """Return coordinates scaled so that `part` of the same layout fills the square but for the margin."""
    low, high = part.min(axis=0), part.max(axis=0)
    return MARGIN + (uv - low) / (high - low) * (1 - 2 * MARGIN)
