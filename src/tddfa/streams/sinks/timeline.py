"""A video at a glance: who is there when, cuts, blinks, curves of every number; as HTML page and as plot."""

from __future__ import annotations

import base64
import contextlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from tddfa.errors import InputError
from tddfa.export.files import write
from tddfa.imaging.files import encode_image
from tddfa.imaging.pyramid import warp_square
from tddfa.provenance import marked
from tddfa.shapes import Bool, Float32, Float64
from tddfa.streams.frame import TrackedFrame
from tddfa.tracking.face import TrackedFace
from tddfa.tracking.shots import ShotDetector
from tddfa.types import BoundingBox, Image

SCHEMA = "tddfa.timeline/1"
"""Name and version of the layout of timelines."""

ANGLES = ("yaw_deg", "pitch_deg", "roll_deg")

_MOST_SAMPLES = 1200  # points of a curve: more than a screen has columns
_THUMBNAIL_PX = 112
_AROUND = 1.9  # side of a thumbnail, in sides of the box around the landmarks
_BETTER = 1.15  # factor by which a view has to be better to become the thumbnail
# Closure of both eyes, mean: a blink begins above the first and has ended below the second.
_CLOSED, _OPEN = 0.5, 0.35
_PLACEHOLDER = "__TIMELINE__"


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
    def duration_s(self) -> float:
        """Time of the end of the last frame, s."""
        n = len(self.times)
        return float(self.times[-1] * n / max(n - 1, 1)) if n else 0.0

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


class TimelineSink(contextlib.AbstractContextManager["TimelineSink"]):
    """Gather the timeline of a video, and write it as a page or a plot when the context is left.

    About 250 bytes are held per face and frame.

    Args:
        title: name of the video.
        report: HTML file to write, with everything in it; none when not given.
        plot: PNG file to write; none when not given.

    Raises:
        ExportFileError: a file cannot be written.
    """

    needs_image = True

    def __init__(
        self,
        title: str,
        *,
        report: str | os.PathLike[str] | None = None,
        plot: str | os.PathLike[str] | None = None,
    ) -> None:
        self._title = title
        self._report = None if report is None else Path(report)
        self._plot = None if plot is None else Path(plot)
        self._shots = ShotDetector()
        self._times: list[float] = []
        self._cuts: list[int] = []
        self._columns: tuple[str, ...] = ANGLES
        self._tracks: dict[int, _Track] = {}

    def targets(self) -> list[Path]:
        """Return the files that are written."""
        return [path for path in (self._report, self._plot) if path is not None]

    def __enter__(self) -> TimelineSink:
        return self

    def write(self, frame: TrackedFrame) -> None:
        """Add a frame."""
        if frame.image is None:
            raise InputError("timelines need images; call follow with images=True")
        self._shots.update(frame.image)
        if self._shots.is_cut:
            self._cuts.append(len(self._times))
        for tracked in frame.faces:
            if tracked.visible:
                self._columns = (*ANGLES, *tracked.face.model.expression_names)
                track = self._tracks.setdefault(tracked.id, _Track())
                track.add(len(self._times), tracked, frame.image)
        self._times.append(frame.time)

    def timeline(self) -> Timeline:
        """Return the timeline of the frames so far."""
        n = len(self._times)
        people = tuple(track.person(id, n, self._columns) for id, track in sorted(self._tracks.items()))
        return Timeline(self._title, np.array(self._times), tuple(self._cuts), self._columns, people)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            return
        if self._report is not None:
            write(self._report, report_bytes(self.timeline()))
        if self._plot is not None:
            from tddfa.streams.sinks.plot import plot_image

            write(self._plot, marked(encode_image(plot_image(self.timeline()), "png"), ".png"))


def report_bytes(timeline: Timeline) -> bytes:
    """Return a timeline as one HTML file that needs no other file and no network."""
    page = files("tddfa.streams.sinks").joinpath("report_page.html").read_text(encoding="utf-8")
    record = json.dumps(timeline.record(), separators=(",", ":"), allow_nan=False)
    return page.replace(_PLACEHOLDER, record.replace("<", "\\u003c")).encode()


@dataclass(slots=True, eq=False)
class _Track:
    """What is gathered of one person."""

    frames: list[int] = field(default_factory=list[int])
    rows: list[Float32[np.ndarray, " n_columns"]] = field(default_factory=list[np.ndarray])
    score: float = 0.0
    thumbnail: Image | None = None

    def add(self, index: int, tracked: TrackedFace, image: Image) -> None:
        """Add the face of a frame."""
        face = tracked.face
        pose = face.pose
        angles = np.array([pose.yaw_deg, pose.pitch_deg, pose.roll_deg], np.float32)
        self.frames.append(index)
        self.rows.append(np.concatenate([angles, face.params.expression]).astype(np.float32))
        box = BoundingBox.around(face.landmarks)
        turned = math.cos(math.radians(min(abs(pose.yaw_deg), 90))) * math.cos(
            math.radians(min(abs(pose.pitch_deg), 90))
        )
        score = tracked.confidence * max(turned, 0.01) ** 2 * math.sqrt(box.area)
        if self.thumbnail is None or score > _BETTER * self.score:
            side = max(_AROUND * max(box.width, box.height), 2.0)
            x, y = box.center
            y -= 0.08 * side  # landmarks end at the brows
            self.score = score
            self.thumbnail = warp_square(image, x, y, side, _THUMBNAIL_PX)

    def person(self, id: int, n_frames: int, columns: Sequence[str]) -> Person:
        """Return what was gathered, with a value for each frame of the video."""
        assert self.thumbnail is not None  # a track begins with a face
        values = np.full((n_frames, len(columns)), np.nan, np.float32)
        values[self.frames] = np.stack(self.rows)
        visible = np.zeros(n_frames, bool)
        visible[self.frames] = True
        return Person(id, self.thumbnail, visible, dict(zip(columns, values.T, strict=True)))


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
