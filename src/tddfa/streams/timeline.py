"""A video at a glance: who is there when, cuts, blinks, curves of every number."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.imaging.files import encode_image
from tddfa.shapes import Bool, Float32, Float64
from tddfa.types import Image

SCHEMA = "tddfa.timeline/1"
"""Name and version of the layout of timelines."""

ANGLES = ("yaw_deg", "pitch_deg", "roll_deg")

_MOST_SAMPLES = 1200  # points of a curve: more than a screen has columns
# Closure of both eyes, mean: a blink begins above the first and has ended below the second.
_CLOSED, _OPEN = 0.5, 0.35


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """One person of a timeline.

    Attributes:
        id: ID of the track.
        thumbnail: the best view of the face, RGB.
        visible: whether the face is seen, for each frame of the video.
        values: angles and expressions by column, for each frame; NaN where the face is not seen.
    """

    id: int
    thumbnail: Image
    visible: Bool[np.ndarray, " n_frames"]
    values: Mapping[str, Float32[np.ndarray, " n_frames"]]

    @property
    def blinks(self) -> list[int]:
        """Frames in which a blink begins."""
        eyes = [self.values[name] for name in ("eyeBlinkLeft", "eyeBlinkRight") if name in self.values]
        if not eyes:
            return []
        found: list[int] = []
        closed = False
        for index, closure in enumerate(np.mean(eyes, axis=0).tolist()):
            if closure > _CLOSED and not closed:
                found.append(index)
            closed = closure > (_OPEN if closed else _CLOSED)  # false for NaN
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """What happens in a video.

    Attributes:
        title: name of the video.
        times: time of each frame, s.
        cuts: frames that begin a shot.
        columns: names of the curves.
        people: everybody who was seen, by ID.
    """

    title: str
    times: Float64[np.ndarray, " n_frames"]
    cuts: tuple[int, ...]
    columns: tuple[str, ...]
    people: tuple[Person, ...]

    @property
    def start_s(self) -> float:
        """Time of the first frame, s: later than 0 where a part of a video was followed."""
        return float(self.times[0]) if len(self.times) else 0.0

    @property
    def duration_s(self) -> float:
        """Time of the end of the last frame, s."""
        n = len(self.times)
        return float(self.times[-1] + (self.times[-1] - self.times[0]) / max(n - 1, 1)) if n else 0.0

    def record(self) -> dict[str, Any]:
        """Return the timeline for JSON, its curves with at most 1200 samples.

        A sample stands for several frames of a long video: its angles are the mean of theirs, its
        expressions the largest, so that a blink is not lost.
        """
        starts = np.unique(np.linspace(0, len(self.times), _MOST_SAMPLES + 1).astype(int))[:-1]
        return {
            "schema": SCHEMA,
            "title": self.title,
            "n_frames": len(self.times),
            "duration_s": round(self.duration_s, 4),
            "times": [round(t, 4) for t in self.times[starts].tolist()] if len(self.times) else [],
            "cuts": [round(float(self.times[k]), 4) for k in self.cuts],
            "columns": list(self.columns),
            "people": [self._person(person, starts) for person in self.people],
        }

    def _person(self, person: Person, starts: np.ndarray) -> dict[str, Any]:
        jpeg = base64.b64encode(encode_image(person.thumbnail, "jpg", quality=85)).decode()
        return {
            "id": person.id,
            "thumbnail": f"data:image/jpeg;base64,{jpeg}",
            "share": round(float(person.visible.mean()), 4),
            "present": self.spans(person.visible),
            "blinks": [round(float(self.times[k]), 4) for k in person.blinks],
            "curves": {name: _sampled(values, starts, name) for name, values in person.values.items()},
        }

    def spans(self, visible: Bool[np.ndarray, " n_frames"]) -> list[list[float]]:
        """Return beginning and end, s, of each time in which a face is seen."""
        edges = np.flatnonzero(np.diff(np.concatenate([[False], visible, [False]]).astype(int)))
        times = np.append(self.times, self.duration_s)
        return [[round(float(times[a]), 4), round(float(times[b]), 4)] for a, b in edges.reshape(-1, 2)]


def _sampled(values: Float32[np.ndarray, " n_frames"], starts: np.ndarray, name: str) -> list[float | None]:
    """Return a value per group of frames; None where the face is not seen in any."""
    seen = ~np.isnan(values)
    n = np.add.reduceat(seen, starts, dtype=int)
    if name in ANGLES:
        total = np.add.reduceat(np.where(seen, values, 0), starts)
        found, digits = total / np.maximum(n, 1), 1
    else:
        found, digits = np.maximum.reduceat(np.where(seen, values, -np.inf), starts), 3
    return [
        round(float(v), digits) if count else None
        for v, count in zip(found.tolist(), n.tolist(), strict=True)
    ]
