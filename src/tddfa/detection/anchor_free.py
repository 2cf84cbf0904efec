"""The detector of tddfa_train: one box per cell of each level, without anchors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from tddfa.detection.levels import RELIABLE_PX, Level, SearchStep, Tile, levels, tiles, whole
from tddfa.errors import PackError
from tddfa.geometry.boxes import non_maximum_suppression
from tddfa.imaging.light import brightness, lit
from tddfa.imaging.warp import cut, resize
from tddfa.packs.specs import AnchorFreeSpec
from tddfa.runtime import Network
from tddfa.shapes import Float, Float32
from tddfa.types import BoundingBox, Detection, Image

_MAX_CANDIDATES = 2000  # of one tile, before overlapping ones are suppressed
_MAX_FACES = 1000  # of an image: verification crops each of them


STRIDES = (8, 16, 32, 64)
"""Side of a cell of each level, px of the input."""

LARGEST_LOG = 6.0
"""Upper limit of the logarithm of a side in strides; no image is larger."""


@dataclass(frozen=True, slots=True, eq=False)
class _Candidates:
    """Boxes (x0, y0, x1, y1), px, and their scores."""

    boxes: Float[np.ndarray, "n 4"]
    scores: Float[np.ndarray, " n"]

    @classmethod
    def joined(cls, parts: Sequence[_Candidates]) -> _Candidates:
        return cls(np.concatenate([p.boxes for p in parts]), np.concatenate([p.scores for p in parts]))

    def where(self, kept: np.ndarray) -> _Candidates:
        return _Candidates(self.boxes[kept], self.scores[kept])


class AnchorFreeDetector:
    """Find faces of all sizes in copies of the image that the network reads quickly.

    Dark images are brightened first.

    Args:
        network: RGB image (1, h, w, 3) → `places` (1, 5, m), one row per cell, level by level and row by row:
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
        return self._detections([*self._read(image, levels(max(image.shape[:2]), self.max_side, side))])

    def search(self, image: Image) -> Iterator[SearchStep]:
        """Yield the faces of ever larger copies of `image`, up to the image itself.

        Each step costs several times as much as the one before, and is taken when it is asked for.
        """
        longer = max(image.shape[:2])
        plan = levels(longer, self.max_side, None)
        copies = self._read(image, plan)
        first = [level for level in plan if not level.tiled]
        found = [next(copies) for _ in first]
        yield SearchStep(self._detections(found), RELIABLE_PX * longer / first[0].side)
        for level, found in zip(plan[len(first) :], copies, strict=True):
            yield SearchStep(self._detections([found]), RELIABLE_PX * longer / level.side)

    def smallest_face(self, width: int, height: int, *, search_size: int | None = None) -> float:
        """Return the side from which nearly all faces are found in an image of this size, px."""
        longer = max(width, height)
        finest = max(level.side for level in levels(longer, self.max_side, search_size))
        return RELIABLE_PX * longer / finest

    def _detections(self, found: Sequence[_Candidates]) -> list[Detection]:
        """Return the candidates of several copies, one for each face, best first."""
        every = _Candidates.joined(found)
        kept = non_maximum_suppression(every.boxes, every.scores, self._max_overlap)[:_MAX_FACES]
        return [
            Detection(BoundingBox(*box), score)
            for box, score in zip(every.boxes[kept].tolist(), every.scores[kept].tolist(), strict=True)
        ]

    def _read(self, image: Image, plan: Sequence[Level]) -> Iterator[_Candidates]:
        """Yield the candidates of each copy of the image, in px of the image."""
        height, width = image.shape[:2]
        brightest: float | None = None
        for level in plan:
            copy = image
            shrink = level.side / max(height, width)
            if shrink < 1:
                copy = resize(image, max(round(shrink * width), 1), max(round(shrink * height), 1))
            copy_height, copy_width = copy.shape[:2]
            brightest = brightness(copy) if brightest is None else brightest
            parts = tiles(copy_width, copy_height) if level.tiled else [whole(copy_width, copy_height)]
            bright = lit(copy, brightest)
            found = _Candidates.joined([self._read_tile(bright, tile) for tile in parts])
            # From pixel centres of the copy to those of the image.
            ratio = np.array([width / copy_width, height / copy_height] * 2)
            boxes = (found.boxes + 0.5) * ratio - 0.5
            sides = boxes[:, 2:] - boxes[:, :2]
            side = sides.mean(axis=1)
            kept = (sides > 0).all(axis=1) & (side >= level.min_face) & (side <= level.max_face)
            yield _Candidates(boxes, found.scores).where(kept)

    def _read_tile(self, image: Image, tile: Tile) -> _Candidates:
        """Return the candidates in a tile of a copy whose centres no other tile has, in px of the copy."""
        part = cut(
            image,
            tile.x0,
            tile.y0,
            tile.x0 + _padded(tile.x1 - tile.x0),
            tile.y0 + _padded(tile.y1 - tile.y0),
        )
        output = self._network(np.ascontiguousarray(part)[None])
        if "places" not in output:
            raise PackError(f"the pack's detector gives {', '.join(output)}, but needs places")
        cells = output["places"][0]
        found = np.flatnonzero(cells[0] > self._min_logit)
        found = found[np.argsort(-cells[0, found], kind="stable")][:_MAX_CANDIDATES]
        centers, strides = _grid(*part.shape[:2])
        # Only candidates are decoded: most cells see no face.
        sides = np.exp(np.minimum(cells[1:, found].T, LARGEST_LOG)) * strides[found, None]
        boxes = np.concatenate([centers[found] - sides[:, :2], centers[found] + sides[:, 2:]], axis=1)
        scores = 1 / (1 + np.exp(-cells[0, found]))
        kept = non_maximum_suppression(boxes, scores, self._max_overlap)
        boxes = boxes[kept] + np.array([tile.x0, tile.y0] * 2, np.float32)
        x, y = ((boxes[:, k] + boxes[:, k + 2]) / 2 for k in (0, 1))
        x0, y0, x1, y1 = tile.core
        inside = (x0 <= x) & (x < x1) & (y0 <= y) & (y < y1)
        return _Candidates(boxes, scores[kept]).where(inside)


def _padded(side: int) -> int:
    """Return the next side that all levels divide; the image is padded with black."""
    return -(-side // STRIDES[-1]) * STRIDES[-1]


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
