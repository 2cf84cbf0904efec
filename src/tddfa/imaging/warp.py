"""Resizing and cutting."""

from __future__ import annotations

import numpy as np

from tddfa.imaging.opencv import cv2
from tddfa.shapes import Float32
from tddfa.types import Image


def resize(image: Image, width: int, height: int) -> Image:
    """`image` at another size, bilinear."""
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)


def cut(image: Image, x0: int, y0: int, x1: int, y1: int) -> Image:
    """The rectangle [x0, x1) × [y0, y1) of `image`; what lies outside the image is black."""
    height, width = image.shape[:2]
    inner = image[max(y0, 0) : max(min(y1, height), 0), max(x0, 0) : max(min(x1, width), 0)]
    if inner.shape[:2] == (y1 - y0, x1 - x0):
        return inner
    out = np.zeros((y1 - y0, x1 - x0, 3), np.uint8)
    top, left = max(-y0, 0), max(-x0, 0)
    out[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return out


def mirrored(image: Image) -> Image:
    """Return `image` as a mirror shows it: left and right are exchanged."""
    # A tenth of the time of a copy of image[:, ::-1], whose pixels NumPy moves byte by byte.
    return cv2.flip(image, 1).astype(np.uint8, copy=False)


def warp_square(image: Image, x: float, y: float, side: float, size: int) -> Image:
    """The square around (x, y) of `image`, `size` px wide; black where it lies outside the image.

    Exact to a fraction of a pixel: pixel c of the result shows the place x + (c − (size − 1)/2) · side/size.
    Where the square shrinks, pixels are averaged, not skipped.
    """
    step = side / size
    halvings = max(int(step), 1).bit_length() - 1
    if halvings:
        # Halved as often as possible, by averaging; the rest, a factor below 2, is bilinear.
        shrink = 1 << halvings
        x0, y0 = int(np.floor(x - side / 2)) - shrink, int(np.floor(y - side / 2)) - shrink
        blocks = int(np.ceil(side / shrink)) + 3
        # Only the blocks that show some of the image: the others, black, are added when they are small.
        height, width = image.shape[:2]
        columns, rows = _visible(x0, shrink, blocks, width), _visible(y0, shrink, blocks, height)
        if not columns or not rows:
            return np.zeros((size, size, 3), np.uint8)
        inner_x, inner_y = x0 + columns.start * shrink, y0 + rows.start * shrink
        image = cut(image, inner_x, inner_y, inner_x + len(columns) * shrink, inner_y + len(rows) * shrink)
        for k in reversed(range(halvings)):
            image = cv2.resize(
                image, (len(columns) << k, len(rows) << k), interpolation=cv2.INTER_AREA
            ).astype(np.uint8, copy=False)
        image = cut(image, -columns.start, -rows.start, blocks - columns.start, blocks - rows.start)
        x, y = ((v - v0 + 0.5) / shrink - 0.5 for v, v0 in ((x, x0), (y, y0)))
        step /= shrink
    corner = (size - 1) / 2 * step
    inverse = np.array([[step, 0, x - corner], [0, step, y - corner]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, inverse, (size, size), flags=flags).astype(np.uint8, copy=False)


def _visible(start: int, block: int, n: int, length: int) -> range:
    """Return which of `n` blocks of pixels, side by side from `start` on, show some of `length` pixels."""
    return range(max(-start // block, 0), min(-(-(length - start) // block), n))


def sampled(image: Image, places: Float32[np.ndarray, "h w 2"]) -> Image:
    """Return the image at some places, bilinear; black outside.

    Args:
        image: the image.
        places: x and y of each pixel of the result, px; the position of a pixel is its centre.
    """
    # Both coordinates in one map, which OpenCV allows and its type stubs do not know.
    return cv2.remap(image, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)  # pyright: ignore


def halved(image: Image) -> Image:
    """Return the image at half its size, two by two pixels to one; a last odd row or column is left out."""
    height, width = image.shape[0] // 2, image.shape[1] // 2
    return cv2.resize(image[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
