"""Faces over time as CSV files of the Live Link Face app: for Unreal, Blender, Maya, MetaHuman."""

from __future__ import annotations

import contextlib
import csv
import glob
import os
import re
from pathlib import Path
from types import TracebackType
from typing import Any

from tddfa.errors import ExportFileError
from tddfa.export import livelink
from tddfa.export.capture import FaceCapture
from tddfa.files import atomic_path
from tddfa.streams.frame import TrackedFrame, check_frame, not_open
from tddfa.types.arguments import as_path


class LiveLinkCsvSink(contextlib.AbstractContextManager["LiveLinkCsvSink"]):
    """Write a file for each person; files appear, whole, when the context is left without an error.

    Every file has a row for each frame of the video, with timecode from 00:00:00:00; while the person is not
    seen, `BlendShapeCount` is 0. The first person is in `path`, further ones in `<stem>_<id><suffix>`.

    Args:
        path: of the first person's file.

    Raises:
        ExportFileError: a file cannot be written.
    """

    needs_image = False

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = as_path("path", path)
        self._exit = contextlib.ExitStack()
        self._first: _File | None = None
        self._files: dict[int, _File] = {}
        self._times: list[float] = []

    def targets(self) -> list[Path]:
        """Return the first person's file, and further ones that are there already."""
        further = f"{glob.escape(self.path.stem)}_*{self.path.suffix}"
        numbers = re.compile(rf"{re.escape(self.path.stem)}_\d+")
        return [self.path, *(p for p in self.path.parent.glob(further) if numbers.fullmatch(p.stem))]

    def __enter__(self) -> LiveLinkCsvSink:
        self._files, self._times = {}, []
        self._first = self._opened(self.path)
        return self

    def write(self, frame: TrackedFrame) -> None:
        """Add a row for each person."""
        check_frame(frame)
        if self._first is None:
            raise not_open(self)
        faces = {tracked.id: tracked for tracked in frame.faces}
        try:
            for face_id in faces:
                if face_id not in self._files:
                    self._files[face_id] = self._file_of(face_id)
            self._times.append(frame.time)
            for face_id, file in self._files.items():
                tracked = faces.get(face_id)
                seen = tracked is not None and tracked.visible
                file.add(FaceCapture.of(tracked.face) if tracked and seen else None, frame.time)
        except OSError as error:
            raise self._failed(error) from None

    def _file_of(self, face_id: int) -> _File:
        assert self._first is not None, "write is called inside the context"
        if not self._files:
            file = self._first
        else:
            file = self._opened(self.path.with_name(f"{self.path.stem}_{face_id}{self.path.suffix}"))
        for time in self._times:
            file.add(None, time)
        return file

    def _opened(self, path: Path) -> _File:
        if path.is_dir():
            raise ExportFileError(f"cannot write {path}: it is a folder")
        try:
            return self._exit.enter_context(_File(self._exit.enter_context(atomic_path(path))))
        except OSError as error:
            failure = self._failed(error)
            self._discard(failure)
            raise failure from None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        files = [file for file in (self._first, *self._files.values()) if file is not None]
        self._first = None
        if error is not None:
            self._discard(error)
            return
        try:
            for file in files:  # all, before the first gets its name: on a full disk, none is replaced
                file.close()
            self._exit.__exit__(None, None, None)
        except OSError as failure:
            self._discard(failure)
            raise self._failed(failure) from None

    def _discard(self, error: BaseException) -> None:
        """Close the files and remove them."""
        # On a full disk, closing writes what is buffered and fails once more.
        with contextlib.suppress(OSError):
            self._exit.__exit__(type(error), error, error.__traceback__)

    def _failed(self, error: OSError) -> OSError:
        if isinstance(error, ExportFileError) or error.errno is None:
            return error
        return ExportFileError(f"cannot write {self.path}: {error.strerror}")


class _File(contextlib.AbstractContextManager["_File"]):
    """The rows of one person."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._writer: Any = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(livelink.CSV_COLUMNS)

    def add(self, capture: FaceCapture | None, time: float) -> None:
        self._writer.writerow(livelink.csv_row(capture, time))

    def close(self) -> None:
        """Write what is buffered."""
        self._file.close()

    def __exit__(self, *_: object) -> None:
        self.close()
