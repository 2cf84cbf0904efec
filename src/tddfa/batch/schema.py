"""The table of a batch: one row per face, with the columns of `tddfa video --data parquet` and some more.

An input without a face, and one that could not be used, has one row of its own, with `face` −1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tddfa._version import __version__
from tddfa.batch.arrow import arrow
from tddfa.export.rows import columns
from tddfa.export.tables import column_type
from tddfa.types import Face

SCHEMA = "tddfa.batch/1"
"""Name and version of the layout; the number grows when a reader would have to change."""

NO_FACE = -1

AGAIN = "again"
"""Key of the row of an input that could not be used, and no column: whether another run may be able to."""

_FIRST = {"path": "string", "face": "int32", "error": "string"}
_LAST = {"width": "int32", "height": "int32", "score": "float32"}
# Lists of any length, not of a fixed one: Spark and Daft have no other.
_LISTS = ("camera", "identity", "shape")


def table_schema(expression_names: Sequence[str], metadata: Mapping[str, str] | None = None) -> Any:
    """Return the Arrow schema of the table.

    Args:
        expression_names: of the model; each is a column.
        metadata: key → value, besides the version of the schema and of the program.
    """
    pa = arrow()
    fields: list[Any] = [pa.field(name, getattr(pa, kind)()) for name, kind in _FIRST.items()]
    fields += [pa.field(name, getattr(pa, column_type(name))()) for name in columns(expression_names)]
    fields += [pa.field(name, getattr(pa, kind)()) for name, kind in _LAST.items()]
    fields += [pa.field(name, pa.list_(pa.float32())) for name in _LISTS]
    fields += [pa.field("crop", pa.binary())]
    texts = {"tddfa.schema": SCHEMA, "tddfa.version": __version__, **(metadata or {})}
    return pa.schema(fields, metadata=texts)


def face_values(
    path: str, values: Mapping[str, Any], face: Face, size: tuple[int, int], crop: bytes | None = None
) -> dict[str, Any]:
    """Return the row of a face.

    Args:
        path: name of the input.
        values: the row of the face in the table of a video; see `tddfa.export.rows.face_row`.
        face: the face.
        size: width and height of the image, px.
        crop: a JPEG of the face.
    """
    return {
        "path": path,
        "face": values["face_id"],
        **values,
        "width": size[0],
        "height": size[1],
        "score": face.score,
        "camera": face.params.camera.ravel(),
        "identity": face.params.identity,
        "shape": face.params.shape,
        "crop": crop,
    }


def empty_values(path: str, size: tuple[int, int] | None = None, error: str | None = None) -> dict[str, Any]:
    """Return the row of an input without a face.

    Args:
        path: name of the input.
        size: width and height of the image, px, where they are known.
        error: why the input could not be used; None where it was, and has no face.
    """
    row: dict[str, Any] = {"path": path, "face": NO_FACE, "error": error}
    row.update(frame=0, face_id=NO_FACE, success=0, state="none" if error is None else "error")
    if size is not None:
        row.update(width=size[0], height=size[1])
    return row


def rows_table(rows: Sequence[Mapping[str, Any]], schema: Any) -> Any:
    """Return rows as an Arrow table; what a row does not have is null."""
    return arrow().Table.from_pylist(list(rows), schema=schema)


def printable(path: str) -> str:
    """Return a name as UTF-8 text: bytes of a file name that are none become escapes."""
    return path.encode("utf-8", "backslashreplace").decode()
