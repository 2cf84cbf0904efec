"""Quarter turns of images: they move pixels and blur none."""

from __future__ import annotations

import math

import numpy as np

from tddfa.shapes import Float, Float64

# Weights of the points that give the way from the middle of the eyes to that of the mouth.
_DOWN = np.repeat(np.array([0, -1 / 12, 1 / 20]), [36, 12, 20])


def quarter_turns(points: Float[np.ndarray, "n d"]) -> int:
    """Return how often `np.rot90` turns the image of a face until it is upright within 45°; 0 to 3.

    Args:
        points: 68 landmarks, px. Other numbers of points have no known eyes and mouth: 0.
    """
    if len(points) != 68:
        return 0
    with np.errstate(invalid="ignore"):
        x, y = (_DOWN @ points[:, :2]).tolist()
    if not math.isfinite(x + y):  # 0 times a number is 0, times infinity or NaN it is NaN
        return 0
    clockwise = math.atan2(-x, y)
    return round(clockwise / (math.pi / 2)) % 4


def turned_back(
    camera: Float64[np.ndarray, "3 4"], turns: int, width: int, height: int
) -> Float64[np.ndarray, "3 4"]:
    """Return the camera of an image from the camera of the same image after `turns` times `np.rot90`.

    Args:
        camera: `image_from_model` of the turned image.
        turns: number of quarter turns.
        width: width of the turned image, px.
        height: height of the turned image, px.
    """
    for _ in range(turns):
        camera = np.stack([-camera[1], camera[0], camera[2]])
        camera[0, 3] += height - 1
        width, height = height, width
    return camera


def box_turned_back(
    box: tuple[float, float, float, float], turns: int, width: int, height: int
) -> tuple[float, float, float, float]:
    """Return a box of an image from the same box after `turns` times `np.rot90`.

    Args:
        box: (x0, y0, x1, y1) in the turned image, px.
        turns: number of quarter turns.
        width: width of the turned image, px.
        height: height of the turned image, px.
    """
    x0, y0, x1, y1 = box
    for _ in range(turns):
        x0, y0, x1, y1 = height - 1 - y1, x0, height - 1 - y0, x1
        width, height = height, width
    return x0, y0, x1, y1
