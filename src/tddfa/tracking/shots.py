"""Where a video cuts: the moments at which one image has nothing to do with the one before."""

from __future__ import annotations

import math
from collections import deque
from typing import TypeAlias

import numpy as np

from tddfa.shapes import Float32
from tddfa.types import Image

Thumbnail: TypeAlias = Float32[np.ndarray, "18 32"]

# A thumbnail is the mean of 3 × 3 pixels in each cell of this grid: a few thousand pixels of any image.
_ROWS, _COLUMNS, _SAMPLES = 18, 32, 3

# Dissimilarity, 1 − correlation of two thumbnails, from which a frame begins a shot. On six clips, neighbours
# differ by at most 0.10, and by 0.07 with noise of 30 levels; cuts between them by 0.35 and more, a zoom by
# half by 0.73. A camera that pans by a twentieth of its image per frame gives 0.44; therefore a cut also has
# to exceed the mean of the frames before by a factor.
_MIN_DISSIMILARITY = 0.25
_OUTSTANDING = 4.0
_MEMORY = 0.8  # weight of the earlier frames in that mean
_FLAT = 4.0  # standard deviation, levels, that counts as structure: noise on a black image does not correlate

# A dissolve changes little from frame to frame; the frame so many frames ago is compared, too.
DISSOLVE_FRAMES = 12
_MIN_DISSOLVE = 0.5


class ShotDetector:
    """Notice where a video cuts, from the images alone and without seeing the frames that follow.

    Attributes:
        is_cut: whether the last frame has begun a shot.
        has_changed: whether the last frame differs from the one `DISSOLVE_FRAMES` earlier as two shots do;
            true towards the end of a dissolve, but also while a camera pans.
    """

    def __init__(self) -> None:
        self.is_cut = self.has_changed = False
        self._thumbnails: deque[Thumbnail] = deque(maxlen=DISSOLVE_FRAMES)
        self._usual = 0.0

    def update(self, image: Image) -> None:
        """Take the next frame; frames may be of different sizes."""
        new, before = thumbnail(image), self._thumbnails
        difference = dissimilarity(before[-1], new) if before else 0.0
        self.is_cut = difference > max(_MIN_DISSIMILARITY, _OUTSTANDING * self._usual)
        self.has_changed = False
        if self.is_cut:
            before.clear()
        else:
            self._usual = _MEMORY * self._usual + (1 - _MEMORY) * difference
            if len(before) == DISSOLVE_FRAMES:
                self.has_changed = dissimilarity(before[0], new) > _MIN_DISSOLVE
        before.append(new)


def thumbnail(image: Image) -> Thumbnail:
    """Return a small grey image, from so few pixels that the size of the image does not matter."""
    height, width = image.shape[:2]
    n_rows, n_columns = _ROWS * _SAMPLES, _COLUMNS * _SAMPLES
    rows = (np.arange(n_rows) * 2 + 1) * height // (2 * n_rows)
    columns = (np.arange(n_columns) * 2 + 1) * width // (2 * n_columns)
    pixels = image[rows[:, None], columns, 1].astype(np.float32)
    return pixels.reshape(_ROWS, _SAMPLES, _COLUMNS, _SAMPLES).mean(axis=(1, 3))


def dissimilarity(a: Float32[np.ndarray, "rows columns"], b: Float32[np.ndarray, "rows columns"]) -> float:
    """Return 1 − the correlation of two thumbnails: 0 for the same structure, whatever the brightness."""
    a, b = a - a.mean(), b - b.mean()
    flat = _FLAT**2
    shared = float((a * b).mean()) + flat
    return 1 - shared / math.sqrt((float((a * a).mean()) + flat) * (float((b * b).mean()) + flat))
