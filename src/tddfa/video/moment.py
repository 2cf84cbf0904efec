"""A place in a video."""

from __future__ import annotations

from dataclasses import dataclass

from tddfa.errors import InputError


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
                parts = [float(part) for part in text.split(":")]
                value, unit = sum(part * 60**k for k, part in enumerate(reversed(parts))), "s"
            elif text.endswith("s"):
                value, unit = float(text[:-1]), "s"
            else:
                value, unit = int(text), "frames"
        except ValueError:
            value, unit = -1, ""
        if not 0 <= value < float("inf"):
            raise InputError(f"{text!r} is no place in a video; give a frame (90) or a time (1.5s, 2:03.5)")
        return cls(value, unit)

    def reached(self, index: int, time: float) -> bool:
        """Return whether a frame lies at or behind this place."""
        # Half a millisecond: times of frames are rounded to the clock of their file.
        return index >= self.value if self.unit == "frames" else time >= self.value - 0.0005
