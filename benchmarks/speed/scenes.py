"""Images to measure on, made from the public-domain example photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tddfa.imaging import read_image
from tddfa.imaging.warp import cut, resize
from tddfa.types import Image

PHOTOS = Path(__file__).parents[2] / "examples" / "photos"

_HEAD = (140, 20, 320, 220)
_FACE = (181, 67, 270, 176)  # in the astronaut's photo, as a detector marks it

_COLUMNS, _ROWS = 8, 4
MOST_FACES = _COLUMNS * _ROWS


def portrait() -> Image:
    """A 1280×720 image with one face, about 190 px high."""
    photo = read_image(PHOTOS / "astronaut.jpg")
    return cut(resize(photo, 854, 854), -213, 0, 1067, 720)


def sized(height: int) -> Image:
    """The portrait, `height` px high, 16:9."""
    return resize(portrait(), height * 16 // 9, height)


def crowd(n: int) -> tuple[Image, list[tuple[float, float, float, float]]]:
    """A 1920×1080 image with up to 32 faces of 110 px side by side, and their boxes (x0, y0, x1, y1)."""
    photo = read_image(PHOTOS / "astronaut.jpg")
    x0, y0, x1, y1 = _HEAD
    head = photo[y0:y1, x0:x1]
    image = np.full((1080, 1920, 3), 127, np.uint8)
    boxes: list[tuple[float, float, float, float]] = []
    for k in range(n):
        x = (k % _COLUMNS) * (1920 // _COLUMNS) + 30
        y = (k // _COLUMNS) * (1080 // _ROWS) + 35
        image[y : y + head.shape[0], x : x + head.shape[1]] = head
        boxes.append((x + _FACE[0] - x0, y + _FACE[1] - y0, x + _FACE[2] - x0, y + _FACE[3] - y0))
    return image, boxes
