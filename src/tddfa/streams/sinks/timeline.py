"""Gather the timeline of a video, and write it as HTML page and as plot."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Sequence
from dataclasses import field
from importlib.resources import files
from pathlib import Path
from types import TracebackType

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.export.files import write
from tddfa.imaging.files import encode_image
from tddfa.imaging.pyramid import warp_square
from tddfa.provenance import marked
from tddfa.shapes import Float32
from tddfa.streams.frame import TrackedFrame, check_frame
from tddfa.streams.timeline import ANGLES, Person, Timeline
from tddfa.tracking.face import TrackedFace
from tddfa.tracking.shots import ShotDetector
from tddfa.types import BoundingBox, Image
from tddfa.types.arguments import as_path, as_text

_THUMBNAIL_PX = 112
_AROUND = 1.9  # side of a thumbnail, in sides of the box around the landmarks
_BETTER = 1.15  # factor by which a view has to be better to become the thumbnail
_PLACEHOLDER = "__TIMELINE__"


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
        self._title = as_text("title", title)
        self._report = None if report is None else as_path("report", report)
        self._plot = None if plot is None else as_path("plot", plot)
        self._shots = ShotDetector()
        self._times: list[float] = []
        self._cuts: list[int] = []
        self._columns: tuple[str, ...] = ANGLES
        self._tracks: dict[int, _Track] = {}

    def targets(self) -> list[Path]:
        """Return the files that are written."""
        return [path for path in (self._report, self._plot) if path is not None]

    def __enter__(self) -> TimelineSink:
        self._shots = ShotDetector()
        self._times, self._cuts, self._tracks = [], [], {}
        return self

    def write(self, frame: TrackedFrame) -> None:
        """Add a frame."""
        check_frame(frame, "a timeline")
        assert frame.image is not None
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
