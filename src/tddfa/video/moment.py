"""A place in a video."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.errors import InputError
from tddfa.types.arguments import shown

_POSSIBLE = "give a frame (90) or a time (1.5s, 2:03.5)"


@dataclass(frozen=True, slots=True)
class Moment:
    """A place in a video: the number of a frame, or a time.

    Attributes:
        value: frames, or s.
        unit: "frames" or "s".
    """

    value: float
    unit: str = "frames"

    @classmethod
    def parse(cls, text: str) -> Moment:
        """Return the moment in a text: "90" (frame), "1.5s", "2:03.5" or "1:02:03" (time).

        Raises:
            InputError: the text is none of these.
        """
        try:
            if ":" in text:
                value, unit = _seconds(text), "s"
            elif text.endswith("s"):
                value, unit = float(text[:-1]), "s"
            else:
                value, unit = int(text), "frames"
        except ValueError:
            value, unit = -1, ""
        if not 0 <= value < float("inf"):
            raise InputError(f"{shown(text)} is no place in a video; {_POSSIBLE}")
        return cls(value, unit)

    @classmethod
    def of(cls, name: str, value: Any) -> Moment | None:
        """Return the moment that an argument means: None, the number of a frame, a text, or a `Moment`.

        Raises:
            InputError: the argument is none of these.
        """
        if value is None:
            return None
        if isinstance(value, str):
            return cls.parse(value)
        moment = cls(int(value)) if _is_whole(value) else value
        if isinstance(moment, Moment) and moment.is_possible:
            return moment
        raise InputError(f"{name}={shown(value)}; {_POSSIBLE}, times as text")

    @property
    def is_possible(self) -> bool:
        """Whether it is a number of frames or seconds that a video can have."""
        value: Any = self.value
        number = _is_whole(value) or isinstance(value, float)
        return number and 0 <= value < math.inf and self.unit in ("frames", "s")

    def reached(self, index: int, time: float) -> bool:
        """Return whether a frame lies at or behind this place."""
        # Half a millisecond: times of frames are rounded to the clock of their file.
        return index >= self.value if self.unit == "frames" else time >= self.value - 0.0005


def empty_range(name: object, n: int, noun: str, *, ends_first: bool) -> str:
    """Return a line for a video of which no frame is wanted.

    Args:
        name: of the video.
        n: number of its frames.
        noun: what they are called: "frame" or "image".
        ends_first: whether the wanted end comes before the wanted start, or is the first frame.
    """
    if ends_first:
        return f"no {noun} of {name} lies between the start and the end; give an end after the start"
    return f"{name} ends before the start: it has {n} {noun}{'s' if n != 1 else ''}"


def _seconds(text: str) -> float:
    """Return the seconds of a time with colons; -1 for one with a negative part, or with more than hours."""
    parts = [float(part) for part in text.split(":")]
    if min(parts) < 0 or len(parts) > 3:
        return -1
    return sum(part * 60**k for k, part in enumerate(reversed(parts)))


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
