"""Faces over time as a table: one row per face and frame, in CSV, JSON lines, NPZ or Parquet.

Columns that OpenFace has too carry its names; docs/video.md describes all columns.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from tddfa.errors import ExportFileError, InputError
from tddfa.export.rows import columns, face_row
from tddfa.export.tables import FORMATS, Table
from tddfa.files import atomic_path
from tddfa.streams.frame import TrackedFrame, check_frame, not_open
from tddfa.tracking.face import TrackedFace
from tddfa.types.arguments import as_list, as_path, as_text


def row(tracked: TrackedFace, frame: int, time: float) -> dict[str, Any]:
    """Return the values of a face in one frame, by column; NaN for what a lost face does not have.

    Args:
        tracked: the face.
        frame: number of the frame, 0 for the first of the video.
        time: s since the first frame.
    """
    return face_row(
        tracked.face,
        frame=frame,
        face_id=tracked.id,
        timestamp=time,
        confidence=tracked.confidence,
        state=tracked.state,
        visible=tracked.visible,
    )


class TableSink(contextlib.AbstractContextManager["TableSink"]):
    """Write rows to a file that appears, whole, when the context is left without an error.

    Args:
        path: of the file; its suffix is the format: .csv, .jsonl, .npz or .parquet.
        expression_names: names of the model's expressions, which become columns; those of the first face when
            not given.

    Raises:
        InputError: no format has that suffix.
        ExportFileError: the file cannot be written.
        MissingExtraError: the format needs a package that is not installed.
    """

    needs_image = False

    def __init__(self, path: str | os.PathLike[str], expression_names: Sequence[str] | None = None) -> None:
        self.path = as_path("path", path)
        suffix = self.path.suffix.removeprefix(".")
        if suffix not in FORMATS:
            raise InputError(f"no table format {suffix!r}; choose from {', '.join(FORMATS)}")
        self._make = FORMATS[suffix]
        self._names = expression_names
        if expression_names is not None:
            each = as_list("expression_names", expression_names, "a list of names is needed")
            self._names = [as_text(f"expression_names[{k}]", name) for k, name in enumerate(each)]
        self._exit = contextlib.ExitStack()
        self._temporary = self.path
        self._format: Table | None = None
        self._is_open = False

    def targets(self) -> list[Path]:
        """Return the file that is written."""
        return [self.path]

    def __enter__(self) -> TableSink:
        if self.path.is_dir():
            raise ExportFileError(f"cannot write {self.path}: it is a folder")
        self._format = None
        try:
            self._temporary = self._exit.enter_context(atomic_path(self.path))
            if self._names is not None:
                self._format = self._opened(self._names)
        except OSError as error:
            raise self._failed(error) from None
        self._is_open = True
        return self

    def write(self, frame: TrackedFrame) -> None:
        """Add a row for each face of a frame; see `row`."""
        check_frame(frame)
        if not self._is_open:
            raise not_open(self)
        self._add(frame.faces, frame.index, frame.time)

    def _add(self, faces: Sequence[TrackedFace], frame: int, time: float) -> None:
        try:
            for tracked in faces:
                if self._format is None:
                    self._format = self._opened(tracked.face.model.expression_names)
                self._format.add(row(tracked, frame, time))
        except OSError as error:
            raise self._failed(error) from None

    def _opened(self, expression_names: Sequence[str]) -> Table:
        try:
            file = self._exit.enter_context(self._temporary.open("wb"))
            return self._make(file, columns(expression_names))
        except BaseException as error:
            self._discard(error)
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_open = False
        if error is not None:
            if self._format is not None:
                with contextlib.suppress(OSError):
                    self._format.close()
            self._discard(error)
            return
        try:
            if self._format is None:
                self._format = self._opened(())
            with self._exit.pop_all():  # closes the file and gives it its name
                self._format.close()
        except OSError as failure:
            raise self._failed(failure) from None

    def _discard(self, error: BaseException) -> None:
        """Close the file and remove it."""
        # On a full disk, closing writes what is buffered and fails once more.
        with contextlib.suppress(OSError):
            self._exit.__exit__(type(error), error, error.__traceback__)

    def _failed(self, error: OSError) -> OSError:
        if isinstance(error, ExportFileError) or error.errno is None:
            return error
        return ExportFileError(f"cannot write {self.path}: {error.strerror}")


class TableWriter(TableSink):
    """The table sink under its former name, whose `write` takes the faces of a frame."""

    def __init__(self, path: str | os.PathLike[str], expression_names: Sequence[str]) -> None:
        warnings.warn(
            "TableWriter is now tddfa.streams.TableSink, whose write takes a TrackedFrame",
            DeprecationWarning,
            stacklevel=2,
        )
        super().__init__(path, expression_names)

    def write(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, faces: Sequence[TrackedFace], frame: int, time: float
    ) -> None:
        """Add the faces of a frame; see `row`."""
        self._add(faces, frame, time)
