"""Square crops: the part of an image that a network sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar

import numpy as np

from tddfa.errors import PackError
from tddfa.shapes import Float, Shaped
from tddfa.types import BoundingBox, Image

Square: TypeAlias = tuple[float, float, float]
"""Centre (x, y) and side of a crop, image frame, px."""

# A crop this many times larger than the image holds no face that a network could see.
_LARGEST_CROP = 16

_FARTHEST = 1e9  # px; coordinates beyond it are no coordinates of a face

# Crops per run of a network: more are no faster, and a crowd would need gigabytes for its activations.
_MAX_BATCH = 64

_LARGEST_OUTPUT = 1e12

T = TypeVar("T")
R = TypeVar("R")


def extent(points: Float[np.ndarray, "n d"]) -> tuple[float, float, float, float] | None:
    """Return the centre (x, y), width and height of the box around points, px; None where it has no area."""
    # Column by column: NumPy is slow along rows of three.
    x, y = points[:, 0], points[:, 1]
    x0, y0 = float(np.minimum.reduce(x)), float(np.minimum.reduce(y))
    x1, y1 = float(np.maximum.reduce(x)), float(np.maximum.reduce(y))
    # Comparisons with NaN are false.
    if not (-_FARTHEST < x0 < x1 < _FARTHEST and -_FARTHEST < y0 < y1 < _FARTHEST):
        return None
    return (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0


def shows_image(image: Image, x0: float, y0: float, x1: float, y1: float) -> bool:
    """Return whether a crop shows some of the image, and not so much else that no face could be seen."""
    height, width = image.shape[:2]
    if not (x1 > 0 and y1 > 0 and x0 < width and y0 < height):
        return False
    return max(x1 - x0, y1 - y0) <= _LARGEST_CROP * max(height, width, 64)


def box_in_crop(square: Square, like: BoundingBox, *, scale: float, down: float) -> BoundingBox:
    """Return the detection box for which a crop is cut.

    Args:
        square: the crop.
        like: box with the wanted ratio of width to height.
        scale: side of crops in mean sides of their boxes.
        down: distance of crops' centres below the centres of their boxes, in mean sides of the boxes.
    """
    x, y, side = square
    mean_side = side / scale
    half = mean_side / (like.width + like.height)
    width, height = half * like.width, half * like.height
    y -= down * mean_side
    return BoundingBox(x - width, y - height, x + width, y + height)


def check_bounded(name: str, values: Float[np.ndarray, "..."]) -> None:
    """Check what a network gives.

    Args:
        name: of the values, for the error.
        values: the output.

    Raises:
        PackError: one of them is NaN, or so large that what is computed from it is not finite.
    """
    if not (np.abs(values) < _LARGEST_OUTPUT).all():
        raise PackError(f"the pack's network gives {name} with NaN or numbers beyond {_LARGEST_OUTPUT:g}")


def batch(arrays: Sequence[Shaped[np.ndarray, "..."]]) -> Shaped[np.ndarray, "n ..."]:
    """Return arrays of one shape as one; a single one is not copied."""
    return np.ascontiguousarray(arrays[0])[None] if len(arrays) == 1 else np.stack(arrays)


def regress_crops(crops: Sequence[T | None], decode: Callable[[Sequence[T]], Sequence[R]]) -> list[R | None]:
    """Return what is decoded from each crop, in batches; None where there is no crop."""
    there = [crop for crop in crops if crop is not None]
    found = iter(
        params
        for start in range(0, len(there), _MAX_BATCH)
        for params in decode(there[start : start + _MAX_BATCH])
    )
    return [None if crop is None else next(found) for crop in crops]
