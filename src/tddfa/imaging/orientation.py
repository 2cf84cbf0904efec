"""Turn and mirror images so that they are upright: the eight orientations of EXIF."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tddfa.types import Image

UPRIGHT = 1

# EXIF's number → what a viewer does with the stored pixels. Source: EXIF 2.32, tag 274.
_TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: np.fliplr,
    3: lambda image: np.rot90(image, 2),
    4: np.flipud,
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: np.rot90(image.swapaxes(0, 1), 2),
    8: np.rot90,
}

# The same as maps of pixel coordinates, signs of ((xx, xy), (yx, yy)): x' = xx·x + xy·y, y' = yx·x + yy·y.
_BY_MATRIX = {
    (1, 0, 0, 1): 1,
    (-1, 0, 0, 1): 2,
    (-1, 0, 0, -1): 3,
    (1, 0, 0, -1): 4,
    (0, 1, 1, 0): 5,
    (0, -1, 1, 0): 6,
    (0, -1, -1, 0): 7,
    (0, 1, -1, 0): 8,
}


def apply_orientation(image: Image, orientation: int) -> Image:
    """Return the image as a viewer shows it.

    Args:
        image: RGB, as stored.
        orientation: EXIF's number, 1 to 8; any other number leaves the image as it is.
    """
    turn = _TURNS.get(orientation)
    return image if turn is None else np.ascontiguousarray(turn(image))


def orientation_of_matrix(xx: float, xy: float, yx: float, yy: float) -> int:
    """Return the EXIF orientation nearest to a linear map of pixel coordinates.

    Args:
        xx: change of the shown x per stored x.
        xy: change of the shown x per stored y.
        yx: change of the shown y per stored x.
        yy: change of the shown y per stored y.
    """
    if xx == xy == yx == yy == 0:
        return UPRIGHT
    # The signed permutation with the largest inner product is the nearest one.
    return max(_BY_MATRIX.items(), key=lambda item: float(np.dot(item[0], (xx, xy, yx, yy))))[1]
