"""An image and its halves, which all crops of the image share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tddfa import native
from tddfa.imaging.halving import halved, with_whole_pixels
from tddfa.imaging.opencv import cv2
from tddfa.imaging.warp import cut, resize
from tddfa.types import Image


class Pyramid:
    """An image, halved as often as a crop asks for: each halving averages two by two pixels to one.

    The blocks of pixels that are averaged lie on a grid of the image, so that no pixel depends on the crop
    that asks for it. Beyond the right and lower side they are black.

    Args:
        image: RGB (h, w, 3), uint8.
    """

    def __init__(self, image: Image) -> None:
        self.image = image
        self._whole = {0: image}
        self._requests: dict[int, int] = {}
        self._latest: dict[int, tuple[int, int, int, int, Image]] = {}

    def part(self, level: int, x0: int, y0: int, x1: int, y1: int) -> Image:
        """Return the rectangle [x0, x1) × [y0, y1) of a level; what lies outside the image is black.

        Args:
            level: number of halvings.
            x0: left side, px of the level.
            y0: upper side, px of the level.
            x1: right side, px of the level.
            y1: lower side, px of the level.
        """
        inner, left, top = self.within(level, x0, y0, x1, y1)
        return cut(inner, -left, -top, x1 - x0 - left, y1 - y0 - top)

    def within(self, level: int, x0: int, y0: int, x1: int, y1: int) -> tuple[Image, int, int]:
        """Return what lies in the image of the rectangle [x0, x1) × [y0, y1) of a level, and where.

        Args:
            level: number of halvings.
            x0: left side, px of the level.
            y0: upper side, px of the level.
            x1: right side, px of the level.
            y1: lower side, px of the level.

        Returns:
            the pixels, and the column and the row of the rectangle that they begin at.
        """
        width, height = self._size(level)
        left, top = min(max(x0, 0), width), min(max(y0, 0), height)
        right, bottom = max(min(x1, width), left), max(min(y1, height), top)
        return self._inner(level, left, top, right, bottom), left - x0, top - y0

    def whole(self, level: int) -> Image:
        """Return a level.

        Args:
            level: number of halvings.
        """
        width, height = self._size(level)
        return self._inner(level, 0, 0, width, height)

    def _size(self, level: int) -> tuple[int, int]:
        """Return width and height of a level; blocks at the sides count as whole ones."""
        height, width = self.image.shape[:2]
        return -(-width >> level), -(-height >> level)

    def _inner(self, level: int, x0: int, y0: int, x1: int, y1: int) -> Image:
        """Return a rectangle that lies within the level."""
        if level not in self._whole:
            # The views of a face lie within its crop: what was computed for that one serves them all.
            left, top, right, bottom, latest = self._latest.get(level, (0, 0, -1, -1, self.image))
            if left <= x0 and top <= y0 and x1 <= right and y1 <= bottom:
                return latest[y0 - top : y1 - top, x0 - left : x1 - left]
            width, height = self._size(level)
            requests = self._requests.get(level, 0) + (x1 - x0) * (y1 - y0)
            self._requests[level] = requests
            if requests < width * height:
                computed = self._computed(level, x0, y0, x1, y1)
                self._latest[level] = x0, y0, x1, y1, computed
                return computed
            # Crops that overlap have asked for as much as there is: from here on, nothing is computed twice.
            self._whole[level] = self._computed(level, 0, 0, width, height)
        return self._whole[level][y0:y1, x0:x1]

    def _computed(self, level: int, x0: int, y0: int, x1: int, y1: int) -> Image:
        """Return a rectangle of a level from the level before."""
        if x0 == x1 or y0 == y1:
            return np.zeros((y1 - y0, x1 - x0, 3), np.uint8)
        width, height = self._size(level - 1)
        return halved(self._inner(level - 1, 2 * x0, 2 * y0, min(2 * x1, width), min(2 * y1, height)))


def pyramid_of(image: Image | Pyramid) -> Pyramid:
    """Return the pyramid of an image, or the pyramid that was given."""
    return image if isinstance(image, Pyramid) else Pyramid(image)


def pyramids_of(images: Sequence[Image | Pyramid]) -> list[Pyramid]:
    """Return the pyramid of each image, or the one that was given; one for all crops of an image."""
    made = {id(image): pyramid_of(image) for image in images}
    return [made[id(image)] for image in images]


def images_for(reader: object, images: Sequence[Image | Pyramid]) -> Sequence[Any]:
    """Return images as a detector or regressor takes them: as pyramids where it has `takes_pyramids`."""
    if getattr(reader, "takes_pyramids", False):
        return images
    return [each.image if isinstance(each, Pyramid) else each for each in images]


def shrunk(source: Pyramid, width: int, height: int) -> Image:
    """Return an image at a smaller size: halved as often as possible, the rest bilinear."""
    own_height, own_width = source.image.shape[:2]
    level = max(min(own_width // width, own_height // height), 1).bit_length() - 1
    image = source.whole(level)
    return image if image.shape[:2] == (height, width) else resize(image, width, height)


def warp_square(image: Image | Pyramid, x: float, y: float, side: float, size: int) -> Image:
    """Return the square around (x, y) of an image, `size` px wide; black where it lies outside the image.

    Exact to a fraction of a pixel: pixel c of the result shows the place x + (c − (size − 1)/2) · side/size.
    Where the square shrinks, pixels are averaged, not skipped: it is halved as often as possible, and the
    rest, a factor below 2, is bilinear.

    Args:
        image: the image, or its pyramid, which several squares share.
        x: centre of the square, px.
        y: centre of the square, px.
        side: side of the square, px.
        size: side of the result, px.
    """
    step = side / size
    level = max(int(step), 1).bit_length() - 1
    shrink = 1 << level
    step /= shrink
    left = top = 0
    if level:
        # What bilinear interpolation reads, and a pixel more on every side.
        x0, y0 = (math.floor((v - side / 2) / shrink) - 1 for v in (x, y))
        blocks = math.ceil(side / shrink) + 4
        image, left, top = pyramid_of(image).within(level, x0, y0, x0 + blocks, y0 + blocks)
        x, y = ((v + 0.5) / shrink - 0.5 - v0 for v, v0 in ((x, x0), (y, y0)))
    elif isinstance(image, Pyramid):
        image = image.image
    corner = (size - 1) / 2 * step
    return _sampled(image, left, top, x - corner, y - corner, step, size)


def _sampled(image: Image, left: int, top: int, x: float, y: float, step: float, size: int) -> Image:
    """Return pixels that are `step` apart, the first one at (x, y); bilinear, black outside the image.

    Args:
        image: what is sampled.
        left: column of its first pixel.
        top: row of its first pixel.
        x: column of the first pixel of the result.
        y: row of the first pixel of the result.
        step: distance of two pixels.
        size: side of the result, px.
    """
    height, width = image.shape[:2]
    if native.kernel is not None:
        first, end = _span(x - left, step, size, width)
        upper, lower = _span(y - top, step, size, height)
        part = with_whole_pixels(image[upper:lower, first:end])
        out = np.empty((size, size, 3), np.uint8)
        # The bits of OpenCV 5, in half its time.
        if native.kernel.warp(part, left + first, top + upper, x, y, step, size, out):
            return out
    if left or top:
        image = cut(image, -left, -top, width, height)
    inverse = np.array([[step, 0, x], [0, step, y]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, inverse, (size, size), flags=flags).astype(np.uint8, copy=False)


def _span(start: float, step: float, size: int, end: int) -> tuple[int, int]:
    """Return the first pixel that is read, and one past the last, within an image; with one to spare."""
    first = min(max(math.floor(start) - 1, 0), end)
    return first, max(min(math.floor(start + step * (size - 1)) + 3, end), first)
