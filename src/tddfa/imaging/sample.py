"""Colours between the pixels."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32

from tddfa.types import Image


def sample(
    image: Image, points: Float32[np.ndarray, "n 2"], *, spacing: float = 1.0
) -> Float32[np.ndarray, "n 3"]:
    """Colours of `image` at places between its pixels, bilinear; beyond the border the border's colour.

    Args:
        image: RGB.
        points: x and y, px.
        spacing: px between neighbouring samples. Where they lie farther apart than pixels, the picture is
            first averaged, so that fine detail does not turn into noise.

    Returns:
        RGB, 0 to 255.
    """
    shrink = max(1, int(spacing))
    if shrink > 1:
        # Only the part that is sampled: photos are large, faces small.
        low = np.clip(points.min(axis=0) - shrink, 0, None).astype(int)
        high = points.max(axis=0).astype(int) + 2 * shrink + 1
        image = image[low[1] : max(high[1], low[1] + 1), low[0] : max(high[0], low[0] + 1)]
        if image.size == 0:
            return np.zeros((len(points), 3), np.float32)
        h, w = image.shape[:2]
        small = (max(1, w // shrink), max(1, h // shrink))
        image = cv2.resize(image, small, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        scale = np.array([small[0] / w, small[1] / h], np.float32)
        points = (points - low.astype(np.float32) + np.float32(0.5)) * scale - np.float32(0.5)
    # remap wants a picture of coordinates with sides under 2^15.
    rows = -(-len(points) // 1024)
    padded = np.zeros((rows * 1024, 2), np.float32)
    padded[: len(points)] = points
    grid = padded.reshape(rows, 1024, 2)
    parts = [
        cv2.remap(image, part, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).reshape(-1, 3)  # pyright: ignore[reportArgumentType, reportCallIssue]
        for part in np.array_split(grid, max(1, -(-rows // 32000)))
    ]
    return np.concatenate(parts)[: len(points)].astype(np.float32)
