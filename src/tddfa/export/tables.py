"""Rows of a table → CSV, JSON lines, NPZ or Parquet, row after row."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from tddfa.errors import InputError, require_extra
from tddfa.types.arguments import as_list, as_names, check_kind, shown

Row: TypeAlias = Mapping[str, Any]
"""Value by column."""

_ROWS_PER_GROUP = 4096  # rows of a Parquet file that are held in memory
_WHOLE = {"frame": "int64", "face_id": "int64", "success": "int8"}  # columns of integers


def column_type(name: str) -> str:
    """Return the name of the Arrow type of a column: "int64", "int8", "string" or "float64"."""
    return "string" if name == "state" else _WHOLE.get(name, "float64")


@runtime_checkable
class Table(Protocol):
    """A table that is being written to an open file."""

    def add(self, values: Row) -> None:
        """Write a row, or keep it for the end."""
        ...

    def close(self) -> None:
        """Write what is left; the file stays open."""
        ...


class CsvTable:
    """A header and a line per row, NaN as an empty cell."""

    def __init__(self, file: io.BufferedIOBase, names: Sequence[str]) -> None:
        raw: Any = file
        self._text = io.TextIOWrapper(raw, encoding="utf-8", newline="")
        self._writer = csv.writer(self._text, lineterminator="\n")
        self._writer.writerow(names)

    def add(self, values: Row) -> None:
        """Write a line."""
        # NaN alone differs from itself.
        self._writer.writerow(["" if v != v else v for v in values.values()])

    def close(self) -> None:
        """Hand over what is buffered."""
        self._text.flush()
        self._text.detach()


class JsonLinesTable:
    """An object per line and row, NaN as null."""

    def __init__(self, file: io.BufferedIOBase, names: Sequence[str]) -> None:
        self._file = file

    def add(self, values: Row) -> None:
        """Write a line."""
        record = {name: None if value != value else value for name, value in values.items()}
        self._file.write(json.dumps(record).encode() + b"\n")

    def close(self) -> None:
        """Do nothing: every line is written."""


class NpzTable:
    """One array per column, and `columns`: their names in order."""

    def __init__(self, file: io.BufferedIOBase, names: Sequence[str]) -> None:
        self._file, self._names = file, list(names)
        self._states: list[str] = []
        self._rows: list[np.ndarray] = []

    def add(self, values: Row) -> None:
        """Keep a row."""
        if "state" in self._names:
            self._states.append(values["state"])
        self._rows.append(np.array([v for k, v in values.items() if k != "state"], np.float64))

    def close(self) -> None:
        """Write all columns."""
        names = [name for name in self._names if name != "state"]
        table = np.array(self._rows, np.float64).reshape(-1, len(names))
        arrays: dict[str, np.ndarray] = {"columns": np.array(self._names)}
        if len(names) < len(self._names):
            arrays["state"] = np.array(self._states, "U8")
        for name, column in zip(names, table.T, strict=True):
            arrays[name] = column.astype(np.int64 if name in _WHOLE else np.float64)
        np.savez(self._file, allow_pickle=False, **arrays)


class ParquetTable:
    """Row groups of a Parquet file; needs the extra `parquet`.

    The rows of a group wait in two arrays, a line for each column, and go from there to the file. As objects
    they would take four times as much, in thousands of pieces that come and go.
    """

    def __init__(self, file: io.BufferedIOBase, names: Sequence[str]) -> None:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError:
            raise require_extra("writing Parquet", "parquet", "pyarrow") from None
        self._arrow: Any = pyarrow
        self._schema: Any = pyarrow.schema([(name, getattr(pyarrow, column_type(name))()) for name in names])
        # Dictionaries of measured numbers, which hardly repeat, take five times as long and larger files.
        repeated: Any = [name for name in names if column_type(name) != "float64"]
        self._writer: Any = pyarrow.parquet.ParquetWriter(file, self._schema, use_dictionary=repeated)
        self._texts: dict[str, list[str]] = {name: [] for name in names if column_type(name) == "string"}
        self._whole = [name for name in names if name in _WHOLE]
        self._measured = [name for name in names if name not in self._texts and name not in _WHOLE]
        self._integers = np.empty((len(self._whole), _ROWS_PER_GROUP), np.int64)
        self._floats = np.empty((len(self._measured), _ROWS_PER_GROUP))
        self._n = 0

    def add(self, values: Row) -> None:
        """Keep a row until there are enough for a group."""
        self._integers[:, self._n] = [values[name] for name in self._whole]
        self._floats[:, self._n] = [values[name] for name in self._measured]
        for name, texts in self._texts.items():
            texts.append(values[name])
        self._n += 1
        if self._n == _ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._n == 0:
            return
        columns: dict[str, Any] = dict(self._texts)
        columns |= {name: self._integers[k, : self._n] for k, name in enumerate(self._whole)}
        columns |= {name: self._floats[k, : self._n] for k, name in enumerate(self._measured)}
        arrays = [self._arrow.array(columns[field.name], field.type) for field in self._schema]
        self._writer.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))
        self._n = 0
        for texts in self._texts.values():
            texts.clear()

    def close(self) -> None:
        """Write the last group and the footer."""
        self._flush()
        self._writer.close()


FORMATS: Mapping[str, Callable[[io.BufferedIOBase, Sequence[str]], Table]] = {
    "csv": CsvTable,
    "jsonl": JsonLinesTable,
    "npz": NpzTable,
    "parquet": ParquetTable,
}
"""Suffix → what writes rows to an open file, given the names of the columns."""


def table_bytes(format: str, names: Sequence[str], rows: Iterable[Row]) -> bytes:
    """Return a table as the bytes of a file.

    Args:
        format: a key of `FORMATS`.
        names: names of the columns.
        rows: value by column, each.

    Raises:
        InputError: there is no such format, a row has other columns, or a value cannot be written.
        MissingExtraError: the format needs a package that is not installed.
    """
    kind: Any = format
    if not isinstance(kind, str) or kind not in FORMATS:
        raise InputError(f"no table format {shown(format)}; choose from {', '.join(FORMATS)}")
    names = as_names("names", names)
    each = [
        _row(f"rows[{k}]", row, names)
        for k, row in enumerate(as_list("rows", rows, "a list of rows is needed, as to_rows returns it"))
    ]
    buffer = io.BytesIO()
    try:
        table = FORMATS[format](buffer, names)
        for row in each:
            table.add(row)
        table.close()
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"the rows cannot be written as {format}: {' '.join(str(error).split())[:200]}; columns are of "
            "numbers, and the state is a text"
        ) from error
    return buffer.getvalue()


def _row(name: str, row: Any, names: Sequence[str]) -> Row:
    """Return a row with its columns in the order of the header."""
    check_kind(name, row, Mapping, "a row is a dict with a value for each column")
    if row.keys() != set(names):
        odd = sorted(set(names).symmetric_difference(row), key=str)
        raise InputError(f"{name} and names differ in the columns {shown(odd)}; give each row all columns")
    return {column: row[column] for column in names}
