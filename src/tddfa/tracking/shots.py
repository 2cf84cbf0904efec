"""Where a video cuts: the moments at which one image has nothing to do with the one before."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.shapes import Float32, Int64
from tddfa.types import Image

# A thumbnail is the mean of 2 × 2 pixels in each cell of this grid: a few thousand pixels of any image.
_ROWS, _COLUMNS, _SAMPLES = 18, 32, 2
_WHOLE = 0, _ROWS, 0, _COLUMNS

# Dissimilarity, 1 − correlation of two thumbnails, from which a frame begins a shot. On six clips, neighbours
# differ by at most 0.10, and by 0.07 with noise of 30 levels; cuts between them by 0.35 and more, a zoom by
# half by 0.73. A camera that pans by a twentieth of its image per frame gives 0.44; therefore a cut also has
# to exceed the mean of the frames before by a factor.
_MIN_DISSIMILARITY = 0.25
_OUTSTANDING = 4.0
_MEMORY = 0.8  # weight of the earlier frames in that mean
_MAX_USUAL = 0.3  # what a frame adds to it at most: a cut should not hide the next one, a second later

SHOT_MEMORY_FRAMES = 64
"""Frames on which that mean depends; the weight of earlier ones would be below 10⁻⁶."""

# Brightness, levels, by which cells of the bars beside, above or below the content differ from its corner:
# bars have no noise but that of the codec. Bars are alike in all shots: portraits in a video of 16:9 would
# differ by half as much as they do.
_BAR = 1.0

_FLAT = 8.0  # standard deviation, levels, from which there is structure: noise does not correlate

# Frames without structure in a row that only interrupt a shot: flashes, and black frames of bad cables.
_MAX_BLANK = 12

# A dissolve changes little from frame to frame; the frame so many frames ago is compared, too.
DISSOLVE_FRAMES = 12
_MIN_DISSOLVE = 0.5


class ShotDetector:
    """Notice where a video cuts, from the images alone and without seeing the frames that follow.

    The decision on a frame depends on that frame and the `SHOT_MEMORY_FRAMES` before it: a detector that
    begins so many frames earlier, in the middle of a video, decides as one that has seen all of it.

    Attributes:
        difference: dissimilarity of the last two frames.
        is_cut: whether the last frame has begun a shot.
        has_changed: whether the last frame differs from the one `DISSOLVE_FRAMES` earlier as two shots do;
            true towards the end of a dissolve, but also while a camera pans.
    """

    def __init__(self) -> None:
        self.difference = 0.0
        self.is_cut = self.has_changed = False
        self._n_blank = 0
        self._thumbnails: deque[Thumbnail] = deque(maxlen=DISSOLVE_FRAMES)
        self._differences: deque[float] = deque(maxlen=SHOT_MEMORY_FRAMES - 1)

    def update(self, image: Image) -> None:
        """Take the next frame; frames may be of different sizes."""
        new, before = Thumbnail.of(image), self._thumbnails
        if self._interrupts(new):
            self.difference, self.is_cut, self.has_changed = 1.0, False, False
            return
        difference = self.difference = before[-1].dissimilarity(new) if before else 0.0
        self.is_cut = difference > _MIN_DISSIMILARITY and difference > _OUTSTANDING * self._usual()
        self.has_changed = False
        if before:
            self._differences.append(min(difference, _MAX_USUAL))
        if self.is_cut:
            before.clear()
        elif len(before) == DISSOLVE_FRAMES:
            self.has_changed = before[0].dissimilarity(new) > _MIN_DISSOLVE
        before.append(new)

    def _interrupts(self, new: Thumbnail) -> bool:
        """Return whether a frame is blank for a moment; the next one is compared with what was before it."""
        before = self._thumbnails
        blank = bool(before) and before[-1].has_structure and not new.has_structure
        self._n_blank = self._n_blank + 1 if blank else 0
        return 0 < self._n_blank <= _MAX_BLANK

    def _usual(self) -> float:
        """Return the mean dissimilarity of the frames before, the last of which weigh most."""
        usual = 0.0
        for difference in self._differences:
            usual = _MEMORY * usual + (1 - _MEMORY) * difference
        return usual


@dataclass(frozen=True, slots=True, eq=False)
class Thumbnail:
    """A small grey image without its mean.

    Attributes:
        pixels: brightness less its mean, levels.
        variance: mean of their squares.
        content: first row, last row, first column and last column that are no bars; the last ones not
            included.
    """

    pixels: Float32[np.ndarray, " n_pixels"]
    variance: float
    content: tuple[int, int, int, int] = _WHOLE

    @property
    def has_structure(self) -> bool:
        """Whether there is more to see than noise, and bars."""
        return self._within(self.content).variance >= _FLAT**2

    @classmethod
    def of(cls, image: Image) -> Thumbnail:
        """Return the thumbnail of an image, from so few of its pixels that its size does not matter."""
        height, width = image.shape[:2]
        n_rows, n_columns = _ROWS * _SAMPLES, _COLUMNS * _SAMPLES
        step_y, step_x = height // n_rows, width // n_columns
        if min(step_y, step_x) > 0:
            y0, x0 = (height - step_y * (n_rows - 1)) // 2, (width - step_x * (n_columns - 1)) // 2
            pixels = image[y0::step_y, x0::step_x, 1][:n_rows, :n_columns]
        else:
            rows, columns = np.arange(n_rows) * height // n_rows, np.arange(n_columns) * width // n_columns
            pixels = image[rows[:, None], columns, 1]
        pixels = pixels.astype(np.float32)
        rows = pixels[::2] + pixels[1::2]
        cells = (rows[:, ::2] + rows[:, 1::2]).ravel()
        cells /= np.float32(_SAMPLES**2)
        content = _content(cells.reshape(_ROWS, _COLUMNS))
        cells -= cells.mean()
        return cls(cells, float(cells @ cells) / len(cells), content)

    def dissimilarity(self, other: Thumbnail) -> float:
        """Return 1 − the correlation with another: 0 for the same structure, whatever the brightness.

        Bars that both have are not compared.
        """
        (top, bottom, left, right), (top2, bottom2, left2, right2) = self.content, other.content
        content = min(top, top2), max(bottom, bottom2), min(left, left2), max(right, right2)
        a, b = self._within(content), other._within(content)
        shared = float(a.pixels @ b.pixels) / max(len(a.pixels), 1)
        flat = _FLAT**2
        return 1 - (shared + flat) / math.sqrt((a.variance + flat) * (b.variance + flat))

    def _within(self, content: tuple[int, int, int, int]) -> Thumbnail:
        """Return the thumbnail of a part."""
        if content == _WHOLE:
            return self
        top, bottom, left, right = content
        cells = self.pixels.reshape(_ROWS, _COLUMNS)[top:bottom, left:right].flatten()  # a copy
        if not len(cells):
            return Thumbnail(cells, 0.0)
        cells -= cells.mean()
        return Thumbnail(cells, float(cells @ cells) / len(cells))


def _content(cells: Float32[np.ndarray, "rows columns"]) -> tuple[int, int, int, int]:
    """Return the rows and columns between the bars; none of them where all cells are alike."""
    # Most images have none, as four cells show, one of each edge.
    corner, y, x = cells.item(0), _ROWS // 2, _COLUMNS // 2
    if all(abs(cells.item(at) - corner) > _BAR for at in ((0, x), (-1, x), (y, 0), (y, -1))):
        return _WHOLE
    differs = np.abs(cells - cells[0, 0]) > _BAR
    rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    if not len(rows):
        return _ROWS, 0, _COLUMNS, 0
    (top, bottom), (left, right) = _without_edges(rows, _ROWS), _without_edges(columns, _COLUMNS)
    return top, bottom, left, right


def _without_edges(between: Int64[np.ndarray, " n"], n_cells: int) -> tuple[int, int]:
    """Return the cells between two bars, as a range; those that a bar reaches into are left out."""
    first, stop = int(between[0]), int(between[-1]) + 1
    if stop - first <= 2:
        return first, stop
    return first + (first > 0), stop - (stop < n_cells)
