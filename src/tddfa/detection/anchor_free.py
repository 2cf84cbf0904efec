"""The detector of tddfa_train: one box per cell of each level, without anchors."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from tddfa.errors import PackError
from tddfa.geometry.boxes import non_maximum_suppression
from tddfa.imaging.light import lit
from tddfa.imaging.warp import cut, resize
from tddfa.packs.specs import AnchorFreeSpec
from tddfa.runtime import Network
from tddfa.shapes import Float32
from tddfa.types import BoundingBox, Detection, Image

_MAX_CANDIDATES = 2000

STRIDES = (8, 16, 32, 64)
"""Side of a cell of each level, px of the input."""

LARGEST_LOG = 6.0
"""Upper limit of the logarithm of a side in strides; no image is larger."""


class AnchorFreeDetector:
    """Find faces in one pass over an image that is shrunk to a size the network reads quickly.

    Dark images are brightened first.

    Args:
        network: RGB image (1, h, w, 3) → `places` (1, 5, m), one row per cell, level by level and row by row:
            the logit of a face centred in the cell, and the distances of its left, top, right and bottom side
            from the middle of the cell, as logarithms of strides.
        max_side: longer side at which larger images are searched, px.
        min_score: minimum score of a face, in (0, 1).
        max_overlap: largest intersection over union of two boxes that are two faces.
    """

    def __init__(self, network: Network, *, max_side: int, min_score: float, max_overlap: float) -> None:
        if not 0 < min_score < 1:
            raise ValueError(f"min_score {min_score} is not between 0 and 1")
        self._network = network
        self._max_side = max_side
        self._min_logit = math.log(min_score / (1 - min_score))
        self._max_overlap = max_overlap

    @classmethod
    def from_spec(cls, network: Network, spec: AnchorFreeSpec) -> AnchorFreeDetector:
        """Return the detector that a manifest describes."""
        return cls(network, max_side=spec.max_side, min_score=spec.min_score, max_overlap=spec.max_overlap)

    def detect(self, image: Image) -> list[Detection]:
        """Return the faces of `image`, best first; boxes may reach outside the image."""
        height, width = image.shape[:2]
        shrink = min(1.0, self._max_side / max(height, width))
        if shrink < 1:
            image = resize(image, max(round(shrink * width), 1), max(round(shrink * height), 1))
        small_height, small_width = image.shape[:2]
        padded = cut(lit(image), 0, 0, _padded(small_width), _padded(small_height))
        output = self._network(np.ascontiguousarray(padded)[None])
        if "places" not in output:
            raise PackError(f"the pack's detector gives {', '.join(output)}, but needs places")
        cells = output["places"][0]
        found = np.flatnonzero(cells[0] > self._min_logit)
        found = found[np.argsort(-cells[0, found], kind="stable")][:_MAX_CANDIDATES]
        centers, strides = _grid(*padded.shape[:2])
        # Only candidates are decoded: most cells see no face.
        sides = np.exp(np.minimum(cells[1:, found].T, LARGEST_LOG)) * strides[found, None]
        boxes = np.concatenate([centers[found] - sides[:, :2], centers[found] + sides[:, 2:]], axis=1)
        scores = 1 / (1 + np.exp(-cells[0, found]))
        kept = non_maximum_suppression(boxes, scores, self._max_overlap)
        # From pixel centres of the small image to those of the large one.
        ratio = np.array([width / small_width, height / small_height] * 2)
        in_image = (boxes[kept] + 0.5) * ratio - 0.5
        return [
            Detection(BoundingBox(*map(float, box)), float(score))
            for box, score in zip(in_image, scores[kept], strict=True)
            if box[0] < box[2] and box[1] < box[3]
        ]


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
