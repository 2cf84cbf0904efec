"""A video → the rows of its faces, tracked and smoothed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

from tddfa.alignment import FaceAligner
from tddfa.batch.parts import Span, VideoPart, opened
from tddfa.batch.schema import empty_values, face_values, printable
from tddfa.batch.settings import BatchSettings
from tddfa.errors import VideoFileError
from tddfa.streams import follow
from tddfa.streams.sinks.table import row
from tddfa.tracking import FaceTracker

_ROWS = 512  # rows that are handed on at a time: memory does not grow with the length of the video
_BEAT_S = 0.5  # time between two signs of life


def video_rows(
    name: str,
    source: str | bytes,
    span: Span,
    aligner: FaceAligner,
    settings: BatchSettings,
    alive: Callable[[], None],
) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of a video, some at a time: one per face and frame, as `tddfa video --data` has them.

    A part of a video that has frames and no face has one row that says so, with its first frame.

    Args:
        name: value of the column `path`.
        source: path or URL of the video.
        span: which part of it.
        aligner: finds the faces.
        settings: the smoother, and how many faces.
        alive: called now and then, also by a thread that reads.

    Raises:
        VideoFileError: it cannot be read, or is damaged.
    """
    last = time.monotonic()

    def beat() -> None:
        nonlocal last
        if (now := time.monotonic()) - last > _BEAT_S:
            last = now
            alive()

    with opened(source) as place:
        part = VideoPart(place, span, beat)
        tracker = FaceTracker(aligner, max_faces=settings.max_faces, quality=settings.quality)
        frames = follow(part, tracker, settings.smooth, images=True, progress=beat)
        rows: list[dict[str, Any]] = []
        n_rows = 0
        size: tuple[int, int] | None = None
        with closing(frames):
            for frame in frames:
                if frame.image is None:
                    continue
                size = (frame.image.shape[1], frame.image.shape[0])
                for tracked in frame.faces:
                    values = row(replace(tracked, id=span.id(tracked.id)), frame.index, frame.time)
                    rows.append(face_values(printable(name), values, tracked.face, size))
                    n_rows += 1
                if len(rows) >= _ROWS:
                    yield rows
                    rows = []
        if not n_rows and part.first is not None and not (part.has_end and part.reader.damage):
            rows = [{**empty_values(printable(name), size), "frame": part.first}]
        if rows:
            yield rows
        if part.reader.damage is not None and part.has_end:
            raise VideoFileError(f"{part.reader.damage}; the rows before hold these")
