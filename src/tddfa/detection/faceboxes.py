"""The FaceBoxes detector as published.

Source: Zhang et al., "FaceBoxes: A CPU real-time face detector with high accuracy", 2017, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from tddfa.detection.levels import SearchStep
from tddfa.geometry.boxes import non_maximum_suppression
from tddfa.imaging.pixels import PixelFormat
from tddfa.imaging.warp import resize
from tddfa.packs.specs import FaceBoxesSpec
from tddfa.runtime import Network
from tddfa.shapes import Float32
from tddfa.types import BoundingBox, Detection, Image

# Stride of each output level, and per level (anchor side, anchors per cell and axis): small anchors are
# repeated within a cell, so that small faces meet as many anchors as large ones ("anchor densification").
_LEVELS = ((32, ((32, 4), (64, 2), (128, 1))), (64, ((256, 1),)), (128, ((512, 1),)))
VARIANCES = (0.1, 0.2)

_CANDIDATE_SCORE = 0.05
_MAX_CANDIDATES = 5000
_MAX_OVERLAP = 0.3
_MAX_FACES = 750
_RELIABLE_PX = 20.0  # side of a face from which nearly all are found, px of the searched image


class FaceBoxes:
    """Find faces larger than about 20 px.

    Args:
        network: image → `offsets` (1, n, 4) and `scores` (1, n).
        pixels: layout of the network's input.
        max_height: height at which larger images are searched, px.
        max_width: width at which larger images are searched, px.
        min_score: minimum score of a face.
    """

    def __init__(
        self,
        network: Network,
        *,
        pixels: PixelFormat,
        max_height: int,
        max_width: int,
        min_score: float = 0.5,
    ) -> None:
        self._network = network
        self._pixels = pixels
        self._max_height, self._max_width = max_height, max_width
        self._min_score = min_score

    @classmethod
    def from_spec(cls, network: Network, spec: FaceBoxesSpec) -> FaceBoxes:
        """Return the detector that a manifest describes."""
        pixels = PixelFormat(spec.input.mean, spec.input.scale, spec.input.channels)
        return cls(network, pixels=pixels, max_height=spec.max_height, max_width=spec.max_width)

    def detect(self, image: Image, *, search_size: int | None = None) -> list[Detection]:
        """Return the faces of `image`, best first; boxes may reach outside the image.

        Args:
            image: RGB (h, w, 3), uint8.
            search_size: longer side at which the image is searched, px; by default as large as the published
                program does.
        """
        height, width = image.shape[:2]
        shrink = self._shrink(width, height, search_size)
        if shrink < 1:
            image = resize(image, max(int(shrink * width), 1), max(int(shrink * height), 1))
        output = self._network(self._pixels.blob([image]))
        boxes, scores = _candidates(output["offsets"][0], output["scores"][0], *image.shape[:2])
        kept = non_maximum_suppression(boxes, scores, _MAX_OVERLAP, grow=1.0 * shrink)[:_MAX_FACES]
        return [
            Detection(BoundingBox(*map(float, boxes[k] / shrink)), float(scores[k]))
            for k in kept
            if scores[k] > self._min_score
        ]

    def search(self, image: Image) -> Iterator[SearchStep]:
        """Yield the faces of `image`: 3DDFA_V2 takes no second step."""
        yield SearchStep(self.detect(image), self.smallest_face(image.shape[1], image.shape[0]))

    def smallest_face(self, width: int, height: int, *, search_size: int | None = None) -> float:
        """Return the side from which nearly all faces are found in an image of this size, px."""
        return _RELIABLE_PX / self._shrink(width, height, search_size)

    def _shrink(self, width: int, height: int, search_size: int | None) -> float:
        if search_size is not None:
            return min(1.0, search_size / max(height, width))
        shrink = min(1.0, self._max_height / height)
        return min(shrink, self._max_width / width)


def _candidates(
    offsets: Float32[np.ndarray, "n 4"], scores: Float32[np.ndarray, " n"], height: int, width: int
) -> tuple[Float32[np.ndarray, "m 4"], Float32[np.ndarray, " m"]]:
    """Return the boxes and scores above the limit, best first; other anchors are not decoded."""
    found = np.flatnonzero(scores > _CANDIDATE_SCORE)
    found = found[np.argsort(-scores[found], kind="stable")][:_MAX_CANDIDATES]
    anchors, deltas = anchor_boxes(height, width)[found], offsets[found]
    centers = anchors[:, :2] + deltas[:, :2] * VARIANCES[0] * anchors[:, 2:]
    sides = anchors[:, 2:] * np.exp(deltas[:, 2:] * VARIANCES[1])
    return np.concatenate([centers - sides / 2, centers + sides / 2], axis=1), scores[found]


@lru_cache(maxsize=8)
def anchor_boxes(height: int, width: int) -> Float32[np.ndarray, "n 4"]:
    """Return the centre (x, y) and sides of every anchor, px, in the order of the network's outputs."""
    levels: list[np.ndarray[Any, Any]] = []
    for stride, kinds in _LEVELS:
        rows, columns = math.ceil(height / stride), math.ceil(width / stride)
        cell = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1)  # (rows, columns, xy)
        for side, repeats in kinds:
            # A repeated anchor starts at the corner of its cell, a single one sits in the middle.
            steps = np.arange(repeats) / repeats if repeats > 1 else np.array([0.5])
            within = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
            centers = (cell[:, :, None, :] + within) * stride
            levels.append(np.concatenate([centers, np.full_like(centers, side)], axis=-1))
        merged = np.concatenate(levels[-len(kinds) :], axis=2)
        levels[-len(kinds) :] = [merged.reshape(-1, 4)]
    return np.concatenate(levels).astype(np.float32)
