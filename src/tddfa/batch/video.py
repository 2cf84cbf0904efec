"""A video → the rows of its faces, tracked and smoothed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

from tddfa.alignment import FaceAligner
from tddfa.batch.schema import face_values, printable
from tddfa.batch.settings import BatchSettings
from tddfa.batch.storage import Storage, is_url
from tddfa.errors import VideoFileError
from tddfa.streams import follow
from tddfa.streams.sinks.table import row
from tddfa.tracking import FaceTracker
from tddfa.video import VideoReader

_ROWS = 512  # rows that are handed on at a time: memory does not grow with the length of the video
_BEAT_S = 0.5  # time between two signs of life


def video_rows(
    name: str,
    source: str | bytes,
    aligner: FaceAligner,
    settings: BatchSettings,
    alive: Callable[[], None],
) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of a video, some at a time: one per face and frame, as `tddfa video --data` has them.

    Args:
        name: value of the column `path`.
        source: path or URL of the video.
        aligner: finds the faces.
        settings: the smoother, and how many faces.
        alive: called now and then.

    Raises:
        VideoFileError: it cannot be read, or is damaged.
    """
    last = time.monotonic()

    def beat() -> None:
        nonlocal last
        if (now := time.monotonic()) - last > _BEAT_S:
            last = now
            alive()

    with ExitStack() as stack:
        place: Any = source
        if isinstance(source, str) and is_url(source):
            place = stack.enter_context(Storage.open(source).reading())
        reader = VideoReader(place)
        frames = follow(
            reader,
            FaceTracker(aligner, max_faces=settings.max_faces),
            settings.smooth,
            images=True,
            progress=beat,
        )
        rows: list[dict[str, Any]] = []
        with closing(frames):
            for frame in frames:
                if frame.image is None:
                    continue
                size = (frame.image.shape[1], frame.image.shape[0])
                for tracked in frame.faces:
                    values = row(tracked, frame.index, frame.time)
                    rows.append(face_values(printable(name), values, tracked.face, size))
                if len(rows) >= _ROWS:
                    yield rows
                    rows = []
        if rows:
            yield rows
        if reader.damage is not None:
            raise VideoFileError(f"{reader.damage}; the rows before hold these")
