"""Label files → arrays, with one clear line for what does not fit."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tddfa.errors import DatasetError
from tddfa.shapes import Float, Float64, Shaped


def read_npz(path: Path) -> Mapping[str, Shaped[np.ndarray, "..."]]:
    """Return the arrays of an .npz file, by name.

    Raises:
        DatasetError: the file is missing or damaged, or holds anything else than arrays.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return dict(archive)
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise _unreadable(path, error) from None


def read_npy(path: Path) -> Shaped[np.ndarray, "..."]:
    """Return the array of an .npy file.

    Raises:
        DatasetError: the file is missing or damaged, or holds anything else than an array.
    """
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _unreadable(path, error) from None


def names_and_numbers(path: Path, column: str) -> tuple[tuple[str, ...], Float64[np.ndarray, " n"]]:
    """Return the columns `name` and `column` of a CSV table.

    Raises:
        DatasetError: the file is missing, or no such table.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return tuple(row["name"] for row in rows), np.array([float(row[column]) for row in rows], np.float64)
    except FileNotFoundError:
        raise DatasetError(f"no such file: {path}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{path} is not a table with the columns name and {column}: {error}") from None


def take(arrays: Mapping[str, Shaped[np.ndarray, "..."]], name: str, path: Path) -> Shaped[np.ndarray, "..."]:
    """Return one array of a label file.

    Raises:
        DatasetError: the file has no such array.
    """
    if name not in arrays:
        raise DatasetError(f"{path} has no array {name!r}; it has {', '.join(arrays) or 'none'}")
    return arrays[name]


def finite(
    values: Shaped[np.ndarray, "..."], shape: tuple[int | None, ...], what: str
) -> Float64[np.ndarray, "..."]:
    """Return `values` as float64, when they have the shape (None: any) and are numbers.

    Raises:
        DatasetError: they are not.
    """
    fits = values.ndim == len(shape) and all(a in (None, b) for a, b in zip(shape, values.shape, strict=True))
    if not fits:
        wanted = ", ".join("n" if side is None else str(side) for side in shape)
        raise DatasetError(f"{what} has the shape {values.shape}; ({wanted}) is needed")
    if values.dtype.kind not in "fiu" or not np.isfinite(values).all():
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


def _unreadable(path: Path, error: Exception) -> DatasetError:
    if isinstance(error, FileNotFoundError):
        return DatasetError(f"no such file: {path}")
    return DatasetError(f"{path} is damaged or no NumPy file: {first_line(error)}")
