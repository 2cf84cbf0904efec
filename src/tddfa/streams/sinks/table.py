"""Faces over time as a table: one row per face and frame, in CSV, JSON lines, NPZ or Parquet.

Columns that OpenFace has too carry its names; docs/video.md describes all columns.
"""

from __future__ import annotations

import contextlib
import csv
import json
import math
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from tddfa.errors import ExportFileError, InputError, require_extra
from tddfa.export.rows import columns, face_row
from tddfa.files import atomic_path
from tddfa.streams.frame import TrackedFrame
from tddfa.tracking.face import TrackedFace

Row = Mapping[str, Any]

_ROWS_PER_GROUP = 4096  # rows of a Parquet file that are held in memory


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
        self.path = Path(path)
        suffix = self.path.suffix.removeprefix(".")
        if suffix not in FORMATS:
            raise InputError(f"no table format {suffix!r}; choose from {', '.join(FORMATS)}")
        self._make = FORMATS[suffix]
        self._names = expression_names
        self._exit = contextlib.ExitStack()
        self._temporary = self.path
        self._format: Any = None

    def __enter__(self) -> TableSink:
        if self.path.is_dir():
            raise ExportFileError(f"cannot write {self.path}: it is a folder")
        try:
            self._temporary = self._exit.enter_context(atomic_path(self.path))
            if self._names is not None:
                self._format = self._opened(self._names)
        except OSError as error:
            raise self._failed(error) from None
        return self

    def write(self, frame: TrackedFrame) -> None:
        """Add a row for each face of a frame; see `row`."""
        self._add(frame.faces, frame.index, frame.time)

    def _add(self, faces: Sequence[TrackedFace], frame: int, time: float) -> None:
        try:
            for tracked in faces:
                if self._format is None:
                    self._format = self._opened(tracked.face.model.expression_names)
                self._format.add(row(tracked, frame, time))
        except OSError as error:
            raise self._failed(error) from None

    def _opened(self, expression_names: Sequence[str]) -> Any:
        try:
            return self._make(self._temporary, columns(expression_names))
        except BaseException as error:
            self._exit.__exit__(type(error), error, error.__traceback__)  # removes the temporary file
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            if self._format is not None:
                with contextlib.suppress(OSError):
                    self._format.close()
            self._exit.__exit__(kind, error, trace)  # removes the temporary file
            return
        try:
            with self._exit.pop_all():  # gives the file its name
                if self._format is None:
                    self._format = self._opened(())
                self._format.close()
        except OSError as failure:
            raise self._failed(failure) from None

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


class _Csv:
    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(names)

    def add(self, values: Row) -> None:
        self._writer.writerow("" if _is_nan(v) else v for v in values.values())

    def close(self) -> None:
        self._file.close()


class _JsonLines:
    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self._file = path.open("w", encoding="utf-8")

    def add(self, values: Row) -> None:
        self._file.write(json.dumps({k: None if _is_nan(v) else v for k, v in values.items()}) + "\n")

    def close(self) -> None:
        self._file.close()


class _Npz:
    """One array per column, and `columns`: their names in order."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self._path, self._names = path, list(names)
        self._states: list[str] = []
        self._rows: list[np.ndarray] = []

    def add(self, values: Row) -> None:
        self._states.append(values["state"])
        self._rows.append(np.array([v for k, v in values.items() if k != "state"], np.float64))

    def close(self) -> None:
        names = [name for name in self._names if name != "state"]
        table = np.array(self._rows, np.float64).reshape(-1, len(names))
        by_name = dict(zip(names, table.T, strict=True))
        arrays: dict[str, np.ndarray] = {
            "columns": np.array(self._names),
            "state": np.array(self._states, "U8"),
        }
        for name in names:
            whole = name in ("frame", "face_id", "success")
            arrays[name] = by_name[name].astype(np.int64 if whole else np.float64)
        with self._path.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)


class _Parquet:
    def __init__(self, path: Path, names: Sequence[str]) -> None:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError:
            raise require_extra("writing Parquet", "parquet", "pyarrow") from None
        self._arrow: Any = pyarrow
        special = {"frame": "int64", "face_id": "int64", "success": "int8", "state": "string"}
        self._schema: Any = pyarrow.schema(
            [(name, getattr(pyarrow, special.get(name, "float64"))()) for name in names]
        )
        self._writer: Any = pyarrow.parquet.ParquetWriter(path, self._schema)
        self._rows: list[Row] = []

    def add(self, values: Row) -> None:
        self._rows.append(values)
        if len(self._rows) >= _ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(self._arrow.Table.from_pylist(self._rows, schema=self._schema))
            self._rows = []

    def close(self) -> None:
        self._flush()
        self._writer.close()


FORMATS: Mapping[str, Callable[[Path, Sequence[str]], Any]] = {
    "csv": _Csv,
    "jsonl": _JsonLines,
    "npz": _Npz,
    "parquet": _Parquet,
}
"""Suffix → the class that writes rows to a file."""


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
