"""Frames of a video, and what gives them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from fractions import Fraction
from typing import Any, Protocol, runtime_checkable

from tddfa.dataclass import dataclass
from tddfa.types import Image


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One image of a video.

    Attributes:
        index: 0 for the first frame of the whole video.
        time: s since the first frame of the whole video; grows from frame to frame.
        image: upright, with square pixels.
        captured: `time.perf_counter()` when a live source delivered it; None for recorded ones.
        coded: the decoder's own frame, when `image` shows just its pixels; `VideoWriter` copies from it what
            was not drawn over.
    """

    index: int
    time: float
    image: Image
    captured: float | None = None
    coded: Any = field(default=None, repr=False)


@runtime_checkable
class FrameSource(Protocol):
    """A recorded source of frames: a video file or a sequence of images.

    Attributes:
        rate: frames per second, on average.
        time_base: the clock of its times, s.
        has_sound: whether there is sound.
        repeatable: whether it can be iterated again, each time from the start.
        damage: after iterating, a line on what could not be read; None when all was.
    """

    rate: Fraction
    time_base: Fraction
    has_sound: bool
    repeatable: bool
    damage: str | None

    @property
    def n_frames(self) -> int | None:
        """Number of frames to expect; None when it is not known."""
        ...

    def __iter__(self) -> Iterator[Frame]:
        """Give the frames."""
        ...
