"""The detector of tddfa_train: boxes of every place, read at one scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tddfa.errors import PackError
from tddfa.geometry.boxes import non_maximum_suppression
from tddfa.imaging.light import lit
from tddfa.imaging.pixels import PixelFormat
from tddfa.imaging.warp import cut, resize
from tddfa.runtime import Network
from tddfa.types import BoundingBox, Detection, Image

_MAX_CANDIDATES = 2000


class TddfaDetector:
    """Finds faces in one pass over a picture that is shrunk to a size the network reads quickly.

    Pictures taken in the dark are lit for it.

    Args:
        network: picture → `boxes` (1, n, 4), px of its input, and `scores` (1, n) in [0, 1].
        pixels: how it reads the picture.
        max_side: larger pictures are searched with their longer side at this length, px.
        multiple: of which the sides of the network's input are; the rest is filled with black.
        min_score: of a face.
        max_overlap: intersection over union that is still two faces.
    """

    def __init__(
        self,
        network: Network,
        *,
        pixels: PixelFormat,
        max_side: int,
        multiple: int,
        min_score: float,
        max_overlap: float,
    ) -> None:
        self._network = network
        self._pixels = pixels
        self._max_side, self._multiple = max_side, multiple
        self._min_score, self._max_overlap = min_score, max_overlap

    @classmethod
    def from_settings(cls, network: Network, settings: Mapping[str, Any]) -> TddfaDetector:
        """The detector with the settings of a manifest."""
        return cls(
            network,
            pixels=PixelFormat.from_settings(settings["input"]),
            max_side=settings["max_side"],
            multiple=settings["multiple"],
            min_score=settings["min_score"],
            max_overlap=settings["max_overlap"],
        )

    def detect(self, image: Image) -> list[Detection]:
        """The faces of `image`, best first; boxes may reach outside the picture."""
        height, width = image.shape[:2]
        shrink = min(1.0, self._max_side / max(height, width))
        if shrink < 1:
            image = resize(image, max(round(shrink * width), 1), max(round(shrink * height), 1))
        small_height, small_width = image.shape[:2]
        padded = cut(lit(image), 0, 0, self._whole(small_width), self._whole(small_height))
        output = self._network(self._pixels.blob([padded]))
        if not {"boxes", "scores"} <= set(output):
            raise PackError(f"the pack's detector gives {', '.join(output)}, but needs boxes, scores")
        boxes, scores = output["boxes"][0], output["scores"][0]
        found = np.flatnonzero(scores > self._min_score)
        found = found[np.argsort(-scores[found], kind="stable")][:_MAX_CANDIDATES]
        kept = found[non_maximum_suppression(boxes[found], scores[found], self._max_overlap)]
        # From pixel centres of the small picture to those of the large one.
        ratio = np.array([width / small_width, height / small_height] * 2)
        in_picture = (boxes[kept] + 0.5) * ratio - 0.5
        return [
            Detection(BoundingBox(*map(float, box)), float(score))
            for box, score in zip(in_picture, scores[kept], strict=True)
            if box[0] < box[2] and box[1] < box[3]
        ]

    def _whole(self, side: int) -> int:
        return -(-side // self._multiple) * self._multiple
