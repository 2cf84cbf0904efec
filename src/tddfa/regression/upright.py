"""Crops in which faces stand upright, by quarter turns: these move pixels and blur none."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, Float64

_EYES, _MOUTH = slice(36, 48), slice(48, 68)


def quarter_turns(points: Float[np.ndarray, "n d"]) -> int:
    """How often `np.rot90` turns the picture of a face until it stands upright, within 45°; 0 to 3.

    Args:
        points: 68 landmarks, px; of other points nothing is known but where they are, and 0 is returned.
    """
    if len(points) != 68:
        return 0
    x, y = (points[_MOUTH, :2].mean(axis=0) - points[_EYES, :2].mean(axis=0)).tolist()
    clockwise = math.atan2(-x, y)
    return round(clockwise / (math.pi / 2)) % 4 if math.isfinite(clockwise) else 0


def turned_back(
    camera: Float64[np.ndarray, "3 4"], turns: int, width: int, height: int
) -> Float64[np.ndarray, "3 4"]:
    """The camera of a picture from that of the picture after so many `np.rot90`, which has that size, px."""
    for _ in range(turns):
        camera = np.stack([-camera[1], camera[0], camera[2]])
        camera[0, 3] += height - 1
        width, height = height, width
    return camera
