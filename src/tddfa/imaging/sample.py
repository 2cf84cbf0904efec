"""Colours between the pixels."""

from __future__ import annotations

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.imaging.opencv import cv2
from tddfa.shapes import Float32
from tddfa.types import Image


def sample(
    image: Image, points: Float32[np.ndarray, "n 2"], *, spacing: float = 1.0
) -> Float32[np.ndarray, "n 3"]:
    """Colours of `image` at places between its pixels, bilinear; beyond the border the border's colour.

    Args:
        image: RGB.
        points: x and y, px.
        spacing: px between neighbouring samples. Where they lie farther apart than pixels, the image is
            first averaged, so that fine detail does not turn into noise.

    Returns:
        RGB, 0 to 255.
    """
    if len(points) == 0:
        return np.zeros((0, 3), np.float32)
    part = reduced(image, points.min(axis=0), points.max(axis=0), spacing=spacing)
    points = points * part.scale + part.shift
    # remap wants an image of coordinates with sides under 2^15.
    rows = -(-len(points) // 1024)
    padded = np.zeros((rows * 1024, 2), np.float32)
    padded[: len(points)] = points
    grid = padded.reshape(rows, 1024, 2)
    parts = [
        cv2.remap(part.image, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).reshape(-1, 3)  # pyright: ignore[reportArgumentType, reportCallIssue]
        for places in np.array_split(grid, max(1, -(-rows // 32000)))
    ]
    return np.concatenate(parts)[: len(points)].astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Reduced:
    """An image, or a part of it, averaged over blocks of pixels.

    Attributes:
        image: RGB.
        scale: its pixels per pixel of the whole image, in x and y.
        shift: place of the whole image's first pixel in it, px.
    """

    image: Image
    scale: Float32[np.ndarray, "2"]
    shift: Float32[np.ndarray, "2"]


def reduced(
    image: Image, low: Float32[np.ndarray, "2"], high: Float32[np.ndarray, "2"], *, spacing: float
) -> Reduced:
    """What is needed of an image to sample it between two corners.

    Args:
        image: RGB.
        low: smallest x and y of the samples, px.
        high: largest x and y.
        spacing: px between neighbouring samples.
    """
    shrink = max(1, int(spacing))
    height, width = image.shape[:2]
    if shrink == 1:
        return Reduced(image, np.ones(2, np.float32), np.zeros(2, np.float32))
    # Only the part that is sampled: photos are large, faces small.
    x0, y0 = np.clip(np.clip(low, 0, None) - shrink, 0, [width - 1, height - 1]).astype(int)
    x1, y1 = np.clip(high + 2 * shrink + 1, [x0 + 1, y0 + 1], [width, height]).astype(int)
    small = (max(1, (x1 - x0) // shrink), max(1, (y1 - y0) // shrink))
    part = cv2.resize(image[y0:y1, x0:x1], small, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    scale = np.array([small[0] / (x1 - x0), small[1] / (y1 - y0)], np.float32)
    # Pixel centres lie at integers, so the blocks begin half a pixel before.
    shift = (np.float32(0.5) - np.array([x0, y0], np.float32)) * scale - np.float32(0.5)
    return Reduced(part, scale, shift)
