"""A picture and when it shows."""

from __future__ import annotations

from dataclasses import dataclass

from tddfa.types import Image


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of a video.

    Attributes:
        index: 0 for the first picture of the whole video.
        time: s since the first picture of the whole video.
        image: upright, with square pixels.
        captured: `time.perf_counter()` when a live source delivered it; None for recorded ones.
    """

    index: int
    time: float
    image: Image
    captured: float | None = None
