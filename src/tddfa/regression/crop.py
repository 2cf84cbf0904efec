"""The square of the picture that a published network sees.

Source: the published program; constants and rounding as it has them, because the networks were trained
with them.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from tddfa.errors import InputError
from tddfa.imaging.warp import cut, resize
from tddfa.types import BoundingBox, Image

# A crop this many times larger than the picture holds no face that a network could see.
_LARGEST_CROP = 16


# Side of the crop, and how far it lies below the detection box, in mean sides of the box.
_BOX_SCALE, _BOX_DOWN = 1.58, 0.14


def square_around_box(box: BoundingBox) -> BoundingBox:
    """The crop for a detection box: larger, and lower, because detectors end at the brows."""
    mean_side = (box.width + box.height) / 2
    side = int(_BOX_SCALE * mean_side)
    if side < 1:
        raise InputError(f"box {tuple(box)} is smaller than a pixel")
    x, y = box.center
    return _square(x, y + _BOX_DOWN * mean_side, side)


def box_around_points(points: Float[np.ndarray, "n d"], like: BoundingBox) -> BoundingBox:
    """The detection box, in the shape of `like`, for which the same crop is cut as for the points."""
    square = square_around_points(points)
    return box_in_crop(*square.center, square.width, like, scale=_BOX_SCALE, down=_BOX_DOWN)


def box_in_crop(
    x: float, y: float, side: float, like: BoundingBox, *, scale: float, down: float
) -> BoundingBox:
    """The box, in the shape of `like`, for which a crop is cut.

    Args:
        x: of the crop's centre.
        y: of it.
        side: of the crop.
        like: as wide to high is the box.
        scale: side of crops in mean sides of their boxes.
        down: how far their centres lie below the boxes', in mean sides of the boxes.
    """
    mean_side = side / scale
    half = mean_side / (like.width + like.height)
    width, height = half * like.width, half * like.height
    y -= down * mean_side
    return BoundingBox(x - width, y - height, x + width, y + height)


def square_around_points(points: Float[np.ndarray, "n d"]) -> BoundingBox:
    """The crop for landmarks or vertices: √2 times the longer side of the box around them."""
    box = BoundingBox.around(points.astype(np.float64))
    x, y = box.center
    return _square(x, y, math.sqrt(2) * max(box.width, box.height))


def cut_crop(image: Image, square: BoundingBox, size: int) -> Image:
    """The picture in `square`, `size` px wide; black where it lies outside.

    Raises:
        InputError: the square does not touch the picture, or is enormous.
    """
    # Corners at whole pixels; round half to even, as the published program.
    x0, y0, x1, y1 = (round(v) for v in square)
    refuse_outside(image, x0, y0, x1, y1)
    if x1 <= x0 or y1 <= y0:
        raise InputError(f"the box is smaller than a pixel: {x1 - x0}×{y1 - y0}")
    return resize(cut(image, x0, y0, x1, y1), size, size)


def refuse_outside(image: Image, x0: float, y0: float, x1: float, y1: float) -> None:
    """Refuse a crop that shows nothing of the picture, or so much more that no face would be seen.

    Raises:
        InputError: the crop does not touch the picture, or is enormous.
    """
    height, width = image.shape[:2]
    if x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height:
        raise InputError(
            f"the box lies outside the picture: the face is cut from x {x0:.0f} to {x1:.0f} and y {y0:.0f} "
            f"to {y1:.0f}, the picture is {width}×{height}"
        )
    if max(x1 - x0, y1 - y0) > _LARGEST_CROP * max(height, width, 64):
        raise InputError(
            f"the crop would be {x1 - x0:.0f} px wide, and the picture is {width}×{height}: there is no face"
        )


def _square(x: float, y: float, side: float) -> BoundingBox:
    x0, y0 = x - side / 2, y - side / 2
    return BoundingBox(x0, y0, x0 + side, y0 + side)
