"""Faces over time as a table: one row per face and frame, in CSV, JSON lines, NPZ or Parquet.

Columns that OpenFace has are called as there; docs/video.md describes all.
"""

from __future__ import annotations

import contextlib
import csv
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from tddfa.errors import ExportFileError, InputError, require_extra
from tddfa.files import atomic_path
from tddfa.geometry.camera import camera_scale
from tddfa.tracking.face import TrackedFace

Row = Mapping[str, Any]

_ROWS_AT_ONCE = 4096  # of a Parquet file; the rest of it is on disk already
_DECIMALS = 6


def columns(expression_names: Sequence[str]) -> tuple[str, ...]:
    """The names of the columns, in order, for a model with these expressions."""
    return (
        *("frame", "face_id", "timestamp", "confidence", "success", "state"),
        *("pose_Rx", "pose_Ry", "pose_Rz"),
        *(f"{axis}_{i}" for axis in "xyz" for i in range(68)),
        *("box_x0", "box_y0", "box_x1", "box_y1"),
        *("yaw_deg", "pitch_deg", "roll_deg", "scale"),
        *expression_names,
    )


def row(tracked: TrackedFace, frame: int, time: float) -> dict[str, Any]:
    """The values of a face in one frame, by column; NaN for what a lost face does not have.

    Args:
        tracked: the face.
        frame: its number, 0 for the first of the video.
        time: s since the first frame.
    """
    face, pose = tracked.face, tracked.face.pose
    names = face.model.expression_names
    points = face.landmarks.T.ravel().tolist()
    low, high = face.landmarks[:, :2].min(axis=0), face.landmarks[:, :2].max(axis=0)
    # OpenFace turns the face with R = Rx Ry Rz in a frame with x right, y down, z away from the camera.
    turns = (-math.radians(pose.pitch_deg), math.radians(pose.yaw_deg), math.radians(pose.roll_deg))
    measured: list[float] = [
        *(*turns, *points, *low.tolist(), *high.tolist()),
        *(pose.yaw_deg, pose.pitch_deg, pose.roll_deg, camera_scale(face.params.camera)),
        *face.params.expression.tolist(),
    ]
    if not tracked.visible:
        measured = [math.nan] * len(measured)
    values = [
        *(frame, tracked.id, round(time, _DECIMALS), round(tracked.confidence, 4), int(tracked.visible)),
        tracked.state,
        *(round(v, _DECIMALS) for v in measured),
    ]
    return dict(zip(columns(names), values, strict=True))


class TableWriter(contextlib.AbstractContextManager["TableWriter"]):
    """Writes rows to a file that appears, whole, when the context is left without an error.

    Args:
        path: where to; the suffix is the format: .csv, .jsonl, .npz or .parquet.
        expression_names: of the faces' model.

    Raises:
        InputError: there is no such format.
        ExportFileError: the file cannot be written.
        MissingExtraError: the format needs a package that is not installed.
    """

    def __init__(self, path: str | os.PathLike[str], expression_names: Sequence[str]) -> None:
        self.path = Path(path)
        kind = self.path.suffix.removeprefix(".")
        if kind not in FORMATS:
            raise InputError(f"no table format {kind!r}; choose from {', '.join(FORMATS)}")
        self._make = FORMATS[kind]
        self._columns = columns(expression_names)
        self._exit = contextlib.ExitStack()
        self._format: Any = None

    def __enter__(self) -> TableWriter:
        if self.path.is_dir():
            raise ExportFileError(f"cannot write {self.path}: it is a folder")
        try:
            temporary = self._exit.enter_context(atomic_path(self.path))
            try:
                self._format = self._make(temporary, self._columns)
            except BaseException as error:
                self._exit.__exit__(type(error), error, error.__traceback__)
                raise
        except OSError as error:
            raise self._failed(error) from None
        return self

    def write(self, faces: Sequence[TrackedFace], frame: int, time: float) -> None:
        """Add the faces of a frame; see `row`."""
        try:
            for tracked in faces:
                self._format.add(row(tracked, frame, time))
        except OSError as error:
            raise self._failed(error) from None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            with contextlib.suppress(OSError):
                self._format.close()
            self._exit.__exit__(kind, error, trace)  # removes the temporary file
            return
        try:
            with self._exit.pop_all():  # gives it its name
                self._format.close()
        except OSError as failure:
            raise self._failed(failure) from None

    def _failed(self, error: OSError) -> OSError:
        if isinstance(error, ExportFileError) or error.errno is None:
            return error
        return ExportFileError(f"cannot write {self.path}: {error.strerror}")


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
        if len(self._rows) >= _ROWS_AT_ONCE:
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
"""Suffix → what writes rows to a file."""


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
