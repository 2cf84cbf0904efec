"""The detector of tddfa_train: one box per cell of each level, without anchors."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.detection.faint import CLEAR_SCORE, LIKELY_SCORE, FaintDetection
from tddfa.detection.levels import RELIABLE_PX, Level, SearchStep, Tile, levels, preview, tiles, whole
from tddfa.errors import PackError
from tddfa.geometry.boxes import non_maximum_suppression, overlapping
from tddfa.imaging.light import brighten_dark, brightness
from tddfa.imaging.pyramid import Pyramid, pyramids_of, shrunk
from tddfa.imaging.warp import cut, resize
from tddfa.packs.specs import AnchorFreeSpec
from tddfa.runtime import Network
from tddfa.shapes import Float, Float32
from tddfa.types import BoundingBox, Detection, Image

_MAX_CANDIDATES = 2000  # of one tile, before overlapping ones are suppressed
_SUPPORT_LOGIT = -3.5  # from which a cell supports the faint candidates that its box overlaps
_MAX_FACES = 1000  # of an image: verification crops each of them
_MAX_BATCH = 32  # tiles that the network reads at a time,
_MAX_PIXELS = 1 << 24  # and pixels, that are held until it does: its first layers need 20 bytes for each


STRIDES = (8, 16, 32, 64)
"""Side of a cell of each level, px of the input."""

LARGEST_LOG = 6.0
"""Upper limit of the logarithm of a side in strides; no image is larger."""


@dataclass(frozen=True, slots=True, eq=False)
class _Candidates:
    """Boxes (x0, y0, x1, y1), px, their scores, and the support of the faint ones."""

    boxes: Float[np.ndarray, "n 4"]
    scores: Float[np.ndarray, " n"]
    support: Float[np.ndarray, " n"]

    @classmethod
    def joined(cls, parts: Sequence[_Candidates]) -> _Candidates:
        if len(parts) == 1:
            return parts[0]
        columns = zip(*((p.boxes, p.scores, p.support) for p in parts), strict=True)
        return cls(*(np.concatenate(column) for column in columns))

    def where(self, kept: np.ndarray) -> _Candidates:
        return _Candidates(self.boxes[kept], self.scores[kept], self.support[kept])


class AnchorFreeDetector:
    """Find faces of all sizes in copies of the image that the network reads quickly.

    Dark images are brightened first.

    Args:
        network: RGB images (n, h, w, 3) → `places` (n, 5, m), a row per cell, level by level and row by row:
            the logit of a face centred in the cell, and the distances of its left, top, right and bottom side
            from the middle of the cell, as logarithms of strides.
        max_side: longer side of the images that the network was trained with, px.
        min_score: minimum score of a face, in (0, 1).
        max_overlap: largest intersection over union of two boxes that are two faces.
    """

    def __init__(self, network: Network, *, max_side: int, min_score: float, max_overlap: float) -> None:
        if not 0 < min_score < 1:
            raise ValueError(f"min_score {min_score} is not between 0 and 1")
        self._network = network
        self.max_side = max_side
        self._min_logit = math.log(min_score / (1 - min_score))
        self._max_overlap = max_overlap

    @classmethod
    def from_spec(cls, network: Network, spec: AnchorFreeSpec) -> AnchorFreeDetector:
        """Return the detector that a manifest describes."""
        return cls(network, max_side=spec.max_side, min_score=spec.min_score, max_overlap=spec.max_overlap)

    def detect(self, image: Image, *, search_size: int | None = None) -> list[Detection]:
        """Return the faces of `image`, best first; boxes may reach outside the image.

        Args:
            image: RGB (h, w, 3), uint8.
            search_size: longer side at which the image is searched, px: a larger one finds smaller faces and
                takes longer; by default that of the network's training images.
        """
        side = self.max_side if search_size is None else search_size
        return self.search_batch([image], search_size=side).step([0])[0].detections

    def search(self, image: Image) -> Iterator[SearchStep]:
        """Yield the faces of ever larger copies of `image`, up to the image itself.

        Each step costs several times as much as the one before, and is taken when it is asked for.
        """
        together = self.search_batch([image])
        while found := together.step([0]):
            yield found[0]

    takes_pyramids = True
    """Whether pyramids may be given for several images: the crops of one image share its halves."""

    def search_batch(
        self, images: Sequence[Image | Pyramid], *, search_size: int | None = None
    ) -> AnchorFreeSearch:
        """Return the searches of several images, which share the runs of the network.

        Args:
            images: RGB (h, w, 3), uint8, or their pyramids.
            search_size: as for `detect`, and one step for each image then; ever larger copies by default.
        """
        return AnchorFreeSearch(self, images, search_size)

    def search_largest(self, images: Sequence[Image | Pyramid]) -> AnchorFreeSearch:
        """Return searches for the largest faces, which begin with a preview of each image.

        Args:
            images: RGB (h, w, 3), uint8, or their pyramids.
        """
        return AnchorFreeSearch(self, images, None, with_preview=True)

    def reduced(self, source: Pyramid, *, search_size: int | None = None, largest: bool = False) -> Image:
        """Return the image at the size of the first copy that is searched, or the image where it is smaller.

        Args:
            source: the image.
            search_size: as for `detect`.
            largest: whether only the largest faces are searched.
        """
        height, width = source.image.shape[:2]
        longer = max(height, width)
        small = preview(longer, self.max_side) if largest and search_size is None else None
        side = self.max_side if search_size is None else search_size
        shrink = (side if small is None else small.side) / longer
        if shrink >= 1:
            return source.image
        return shrunk(source, max(round(shrink * width), 1), max(round(shrink * height), 1))

    def smallest_face(self, width: int, height: int, *, search_size: int | None = None) -> float:
        """Return the side from which nearly all faces are found in an image of this size, px."""
        longer = max(width, height)
        finest = max(level.side for level in levels(longer, self.max_side, search_size))
        return RELIABLE_PX * longer / finest

    def detections(self, found: Sequence[_Candidates]) -> list[Detection]:
        """Return the candidates of several copies of an image, one for each face, best first."""
        every = _Candidates.joined(found)
        kept = non_maximum_suppression(every.boxes, every.scores, self._max_overlap)[:_MAX_FACES]
        columns = (every.boxes[kept], every.scores[kept], every.support[kept])
        return [
            Detection(BoundingBox(*box), score)
            if score >= LIKELY_SCORE
            else FaintDetection(BoundingBox(*box), score, support)
            for box, score, support in zip(*(column.tolist() for column in columns), strict=True)
        ]

    def read(self, copies: Sequence[_Copy]) -> list[_Candidates]:
        """Return the candidates in each copy of an image, in px of the image.

        Tiles of one size are read in one run, where the network takes several.
        """
        cells = iter(self._cells([(copy.image, tile) for copy in copies for tile in copy.tiles]))
        found: list[_Candidates] = []
        for copy in copies:
            every = _Candidates.joined([self._candidates(next(cells), tile) for tile in copy.tiles])
            # From pixel centres of the copy to those of the image.
            boxes = (every.boxes + 0.5) * copy.ratio - 0.5
            sides = boxes[:, 2:] - boxes[:, :2]
            side = sides.mean(axis=1)
            fits = (side >= copy.level.min_face) & (side <= copy.level.max_face)
            found.append(replace(every, boxes=boxes).where((sides > 0).all(axis=1) & fits))
        return found

    def _cells(self, places: Sequence[tuple[Image, Tile]]) -> list[Float32[np.ndarray, "5 _"]]:
        """Return what the network predicts for the cells of each tile of a copy."""
        by_size: dict[tuple[int, int], list[int]] = {}
        for k, (_, tile) in enumerate(places):
            by_size.setdefault(_padded_size(tile), []).append(k)
        cells: list[Any] = [None] * len(places)
        at_once = _MAX_BATCH if getattr(self._network, "takes_batches", False) else 1
        for same in by_size.values():
            for start in range(0, len(same), at_once):
                some = same[start : start + at_once]
                output = self._network(np.stack([_cut_padded(*places[k]) for k in some]))
                if "places" not in output:
                    raise PackError(f"the pack's detector gives {', '.join(output)}, but needs places")
                for k, predicted in zip(some, output["places"], strict=True):
                    cells[k] = predicted
        return cells

    def _candidates(self, cells: Float32[np.ndarray, "5 _"], tile: Tile) -> _Candidates:
        """Return the candidates in a tile of a copy whose centres no other tile has, in px of the copy."""
        found = np.flatnonzero(cells[0] > min(self._min_logit, _SUPPORT_LOGIT))
        found = found[np.argsort(-cells[0, found], kind="stable")][:_MAX_CANDIDATES]
        centers, strides = _grid(*_padded_size(tile))
        # Only candidates and what supports them are decoded: most cells see no face.
        sides = np.exp(np.minimum(cells[1:, found].T, LARGEST_LOG)) * strides[found, None]
        boxes = np.concatenate([centers[found] - sides[:, :2], centers[found] + sides[:, 2:]], axis=1)
        scores = 1 / (1 + np.exp(-cells[0, found]))
        n_candidates = np.count_nonzero(cells[0, found] > self._min_logit)
        kept = non_maximum_suppression(boxes[:n_candidates], scores[:n_candidates], self._max_overlap)
        candidates = _Candidates(boxes[kept], scores[kept], self._support(boxes, scores, kept))
        boxes = candidates.boxes + np.array([tile.x0, tile.y0] * 2, np.float32)
        x, y = ((boxes[:, k] + boxes[:, k + 2]) / 2 for k in (0, 1))
        x0, y0, x1, y1 = tile.core
        inside = (x0 <= x) & (x < x1) & (y0 <= y) & (y < y1)
        return replace(candidates, boxes=boxes).where(inside)

    def _support(
        self, boxes: Float32[np.ndarray, "n 4"], scores: Float32[np.ndarray, " n"], kept: np.ndarray
    ) -> Float32[np.ndarray, " kept"]:
        """Return the sum of the scores of all boxes that overlap each kept one, where that one is faint."""
        support = np.zeros(len(kept), np.float32)
        faint = np.flatnonzero(scores[kept] < LIKELY_SCORE)
        if len(faint):
            support[faint] = overlapping(boxes[kept[faint]], boxes, self._max_overlap) @ scores
        return support


@dataclass(frozen=True, slots=True, eq=False)
class _Copy:
    """A copy of an image, as the network reads it.

    Attributes:
        level: which copy.
        image: its pixels, RGB.
        tiles: the parts that are read at a time, px of the copy.
        ratio: px of the image per px of the copy, for the four sides of a box.
    """

    level: Level
    image: Image
    tiles: list[Tile]
    ratio: Float[np.ndarray, "4"]

    @classmethod
    def of(cls, source: Pyramid, level: Level, brightest: float | None) -> tuple[_Copy, float]:
        """Return a copy of an image, and the brightness of the image.

        Args:
            source: the image.
            level: which copy.
            brightest: the brightness of the image, where it is known.
        """
        height, width = source.image.shape[:2]
        copy = source.image
        shrink = level.side / max(height, width)
        if shrink < 1:
            size = max(round(shrink * width), 1), max(round(shrink * height), 1)
            # Halves are shared with the crops of faces, and a preview is not aliased by them.
            is_shared = level.is_preview or (width, height) == (2 * size[0], 2 * size[1])
            copy = shrunk(source, *size) if is_shared else resize(copy, *size)
        copy_height, copy_width = copy.shape[:2]
        brightest = brightness(copy) if brightest is None else brightest
        parts = [*tiles(copy_width, copy_height)] if level.tiled else [whole(copy_width, copy_height)]
        ratio = np.array([width / copy_width, height / copy_height] * 2)
        return cls(level, brighten_dark(copy, brightest), parts, ratio), brightest


class AnchorFreeSearch:
    """The searches of several images, step by step.

    Args:
        detector: reads the copies.
        images: RGB, or their pyramids.
        search_size: longer side at which they are searched in one step, px; ever larger copies by default.
        with_preview: whether to begin with a small copy, for the largest faces.
    """

    def __init__(
        self,
        detector: AnchorFreeDetector,
        images: Sequence[Image | Pyramid],
        search_size: int | None,
        *,
        with_preview: bool = False,
    ) -> None:
        self._detector, self._sources = detector, pyramids_of(images)
        self._brightest: list[float | None] = [None] * len(images)
        self._left: list[deque[list[Level]]] = []
        for source in self._sources:
            longer = max(source.image.shape[:2])
            plan = levels(longer, detector.max_side, search_size)
            first = [level for level in plan if not level.tiled or search_size is not None]
            groups = deque([first, *([level] for level in plan[len(first) :])])
            small = preview(longer, detector.max_side) if with_preview else None
            if small is not None:
                groups.appendleft([small])
            self._left.append(groups)

    def step(self, active: Iterable[int]) -> dict[int, SearchStep]:
        """Return the next step of some of the images, by their number; those at their end are left out."""
        groups = {k: self._left[k].popleft() for k in active if self._left[k]}
        found: dict[int, list[_Candidates]] = {k: [] for k in groups}
        self._read(
            {k: [level for level in group if not level.fallback] for k, group in groups.items()}, found
        )
        # The base copy comes first in each group.
        unclear = {k: group for k, group in groups.items() if not (found[k][0].scores >= CLEAR_SCORE).any()}
        self._read({k: [level for level in group if level.fallback] for k, group in unclear.items()}, found)
        return {
            k: SearchStep(
                self._detector.detections(found[k]),
                RELIABLE_PX * max(self._sources[k].image.shape[:2]) / group[0].side,
                group[0].is_preview,
            )
            for k, group in groups.items()
        }

    def _read(self, groups: Mapping[int, Sequence[Level]], found: Mapping[int, list[_Candidates]]) -> None:
        """Add the candidates in some copies of each image to `found`."""
        waiting: list[tuple[int, _Copy]] = []
        n_pixels = 0

        def read() -> None:
            read = self._detector.read([copy for _, copy in waiting])
            for (k, _), candidates in zip(waiting, read, strict=True):
                found[k].append(candidates)
            waiting.clear()

        for k, group in groups.items():
            for level in group:
                copy, self._brightest[k] = _Copy.of(self._sources[k], level, self._brightest[k])
                waiting.append((k, copy))
                n_pixels += copy.image.size // 3
                if n_pixels > _MAX_PIXELS:
                    read()
                    n_pixels = 0
        read()


def _cut_padded(image: Image, tile: Tile) -> Image:
    """Return the pixels of a tile, padded with black to a size that all levels divide."""
    height, width = _padded_size(tile)
    return cut(image, tile.x0, tile.y0, tile.x0 + width, tile.y0 + height)


def _padded_size(tile: Tile) -> tuple[int, int]:
    """Return the next height and width that all levels divide."""
    unit = STRIDES[-1]
    return -(-(tile.y1 - tile.y0) // unit) * unit, -(-(tile.x1 - tile.x0) // unit) * unit


@lru_cache(maxsize=8)
def _grid(height: int, width: int) -> tuple[Float32[np.ndarray, "m 2"], Float32[np.ndarray, " m"]]:
    """Return the middle (x, y) of every cell and the stride of its level, px, in the network's order."""
    centers: list[np.ndarray[Any, Any]] = []
    strides: list[np.ndarray[Any, Any]] = []
    for stride in STRIDES:
        x, y = np.meshgrid(np.arange(width // stride), np.arange(height // stride))
        cells = np.stack([x, y], axis=-1).reshape(-1, 2)
        centers.append(cells * stride + (stride - 1) / 2)
        strides.append(np.full(len(cells), stride))
    return np.concatenate(centers).astype(np.float32), np.concatenate(strides).astype(np.float32)
