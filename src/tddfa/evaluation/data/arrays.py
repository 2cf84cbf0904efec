"""Label files → arrays, with one clear line for what does not fit."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tddfa.errors import DatasetError, PackError
from tddfa.packs.arrays import LARGEST, read_array, read_arrays
from tddfa.packs.reading import read_regular
from tddfa.shapes import Float, Float64, Shaped

_NPY, _ZIP = b"\x93NUMPY", b"PK"  # how files of one array and archives of arrays begin


def read_npz(path: Path) -> Mapping[str, Shaped[np.ndarray, "..."]]:
    """Return the arrays of an .npz file, by name.

    Raises:
        DatasetError: the file is missing or damaged, or holds anything else than arrays.
    """
    data = _content(path)
    if data.startswith(_NPY):
        raise DatasetError(
            f"{path} is a single array (.npy); an archive of named arrays (.npz) is needed, as numpy.savez "
            "writes it"
        )
    if not data.startswith(_ZIP):
        raise DatasetError(f"{path} is damaged or no archive of arrays (.npz), as numpy.savez writes it")
    try:
        return read_arrays(data)
    except PackError as error:
        raise DatasetError(f"{path} is no whole archive of arrays (.npz): {error}") from None


def read_npy(path: Path) -> Shaped[np.ndarray, "..."]:
    """Return the array of an .npy file.

    Raises:
        DatasetError: the file is missing or damaged, or holds anything else than an array.
    """
    data = _content(path)
    if not data.startswith(_NPY):
        raise DatasetError(f"{path} is damaged or no single array (.npy), as numpy.save writes it")
    try:
        return read_array(data)
    except PackError as error:
        raise DatasetError(f"{path} is no whole array (.npy): {error}") from None


def _content(path: Path) -> bytes:
    try:
        data = read_regular(path, LARGEST)
    except FileNotFoundError:
        raise DatasetError(f"no such file: {path}") from None
    except (OSError, ValueError) as error:
        raise DatasetError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    except MemoryError:
        raise DatasetError(f"{path} does not fit into memory") from None
    if not data:
        raise DatasetError(f"{path} is empty (0 bytes)")
    if len(data) > LARGEST:
        raise DatasetError(f"{path} has more than {LARGEST} bytes")
    return data


def table_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV table by column; cells that a row lacks are left out.

    Raises:
        DatasetError: the file is missing, or no such table.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [
                {column: cell for column, cell in row.items() if column is not None and cell is not None}
                for row in csv.DictReader(file)
            ]
    except FileNotFoundError:
        raise DatasetError(f"no such file: {path}") from None
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, csv.Error) as error:
        raise DatasetError(f"{path} is not a table (.csv): {error}") from None


def names_and_numbers(path: Path, column: str) -> tuple[tuple[str, ...], Float64[np.ndarray, " n"]]:
    """Return the columns `name` and `column` of a CSV table.

    Raises:
        DatasetError: the file is missing, or no such table.
    """
    rows = table_rows(path)
    try:
        values = np.array([float(row[column]) for row in rows], np.float64)
        names = tuple(row["name"] for row in rows)
    except (KeyError, ValueError) as error:
        raise DatasetError(f"{path} is not a table with the columns name and {column}: {error}") from None
    return distinct(names, path), finite(values, (None,), f"the column {column} of {path}")


def take(arrays: Mapping[str, Shaped[np.ndarray, "..."]], name: str, path: Path) -> Shaped[np.ndarray, "..."]:
    """Return one array of a label file.

    Raises:
        DatasetError: the file has no such array.
    """
    if name not in arrays:
        raise DatasetError(f"{path} has no array {name!r}; it has {', '.join(arrays) or 'none'}")
    return arrays[name]


def texts(values: Shaped[np.ndarray, "..."], what: str) -> tuple[str, ...]:
    """Return an array of texts in one row as strings.

    Raises:
        DatasetError: it is none.
    """
    if values.ndim != 1 or (values.size and values.dtype.kind != "U"):
        raise DatasetError(
            f"{what} has the type {values.dtype} and the shape {values.shape}; a row of texts is needed"
        )
    return tuple(map(str, values.tolist()))


def text(values: Shaped[np.ndarray, "..."], what: str) -> str:
    """Return the text that an array without dimensions holds.

    Raises:
        DatasetError: it is no such array.
    """
    if values.ndim or values.dtype.kind != "U":
        raise DatasetError(
            f"{what} has the type {values.dtype} and the shape {values.shape}; one text is needed"
        )
    return str(values.item())


def numbers(
    values: Shaped[np.ndarray, "..."], shape: tuple[int | None, ...], what: str, *, kinds: str = "fiu"
) -> Shaped[np.ndarray, "..."]:
    """Return `values`, when they have the shape (None: any) and are numbers, which may be NaN.

    Args:
        values: an array.
        shape: its sides.
        what: what messages call it.
        kinds: letters of the types that are taken: f floats, i and u whole numbers, b booleans.

    Raises:
        DatasetError: they are not.
    """
    fits = values.ndim == len(shape) and all(a in (None, b) for a, b in zip(shape, values.shape, strict=True))
    if not fits:
        wanted = ", ".join("n" if side is None else str(side) for side in shape)
        raise DatasetError(f"{what} has the shape {values.shape}; ({wanted}) is needed")
    if values.dtype.kind not in kinds:
        needed = "numbers" if "f" in kinds else "whole numbers" if "i" in kinds else "booleans"
        raise DatasetError(f"{what} has the type {values.dtype}; {needed} are needed")
    return values


def finite(
    values: Shaped[np.ndarray, "..."], shape: tuple[int | None, ...], what: str
) -> Float64[np.ndarray, "..."]:
    """Return `values` as float64, when they have the shape (None: any) and are finite numbers.

    Raises:
        DatasetError: they are not.
    """
    if not np.isfinite(numbers(values, shape, what)).all():
        raise DatasetError(f"{what} has entries that are not finite numbers")
    return values.astype(np.float64)


def points_last(values: Shaped[np.ndarray, "..."], n_points: int, what: str) -> Float[np.ndarray, "n p 2"]:
    """Return points as (n, n_points, 2), from arrays (n, 2 or 3, n_points) or (n, n_points, 2 or 3).

    Raises:
        DatasetError: the array has another shape.
    """
    if values.ndim == 3 and values.shape[2] == n_points and values.shape[1] in (2, 3):
        values = values.transpose(0, 2, 1)
    if values.ndim != 3 or values.shape[1] != n_points or values.shape[2] not in (2, 3):
        raise DatasetError(f"{what} has the shape {values.shape}; (n, 2 or 3, {n_points}) is needed")
    return finite(values[:, :, :2], (None, n_points, 2), what)


def with_extent(points: Float64[np.ndarray, "n p 2"], what: str) -> Float64[np.ndarray, "n p 2"]:
    """Return `points`, when those of each face cover an area: errors are divided by its size.

    Raises:
        DatasetError: those of a face do not.
    """
    flat = np.flatnonzero((np.ptp(points, axis=1) <= 0).any(axis=1))
    if len(flat):
        raise DatasetError(
            f"{what}: the points of {len(flat)} of {len(points)} faces lie on one line or in one place, and "
            f"leave errors without a size to be divided by; the first is face {flat[0]}, counted from 0"
        )
    return points


def same_count(counts: Mapping[str, int], where: Path) -> int:
    """Return the number of faces of a set.

    Raises:
        DatasetError: none, or its parts do not agree.
    """
    if len(set(counts.values())) > 1:
        parts = ", ".join(f"{count} {name}" for name, count in counts.items())
        raise DatasetError(f"the parts of the set in {where} do not belong together: {parts}")
    count = next(iter(counts.values()))
    if count == 0:
        raise DatasetError(f"the set in {where} is empty: it has no faces")
    return count


def distinct(names: Sequence[str], where: Path) -> tuple[str, ...]:
    """Return the names of the faces of a set, when each has its own: images are found by them.

    Raises:
        DatasetError: two faces have one name.
    """
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DatasetError(
            f"{where} has {len(twice)} names more than once among {len(names)} faces, and a name stands for "
            f"one image; the first is {twice[0]}"
        )
    return tuple(names)


def existing_folder(folder: Path) -> Path:
    """Return `folder`, when it is one.

    Raises:
        DatasetError: it is not.
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise DatasetError(f"the data folder {folder} {what}")
    return folder


def first_line(error: Exception) -> str:
    """Return the message of another library's error in one line."""
    return (str(error).splitlines() or [type(error).__name__])[0]
