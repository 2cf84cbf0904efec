"""What a tracker requires of what aligns faces."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from tddfa.detection import Detector
from tddfa.shapes import Float
from tddfa.types import Detection, Face, Image

Selection: TypeAlias = Callable[[list[Detection]], Iterable[Detection]]
"""Picks candidates of a detector."""


@runtime_checkable
class Aligner(Protocol):
    """What a tracker requires of a `FaceAligner`."""

    @property
    def detector(self) -> Detector:
        """What finds faces."""
        ...

    def align(
        self,
        image: Image,
        *,
        boxes: Iterable[Any] | None = None,
        landmarks: Iterable[Float[np.ndarray, "n d"]] | None = None,
    ) -> list[Face]:
        """Return the faces in boxes or on landmarks."""
        ...

    def align_candidates(self, image: Image, *, select: Selection | None = None) -> list[Face]:
        """Return the faces of an image among the candidates that `select` picks from the detector's."""
        ...


@runtime_checkable
class SearchingAligner(Protocol):
    """An aligner that can search for smaller faces than `align_candidates` finds; a `FaceAligner` can."""

    def search_candidates(self, image: Image, *, select: Selection | None = None) -> list[Face]:
        """Return the faces among the candidates of ever larger copies of an image, while there is none."""
        ...
