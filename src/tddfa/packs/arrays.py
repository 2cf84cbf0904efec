"""Arrays of packs (.npz), read without trust."""

from __future__ import annotations

import contextlib
import io
import math
import zipfile
from collections.abc import Generator, Mapping
from typing import Any, TypeAlias

import numpy as np

from tddfa.errors import PackError
from tddfa.packs.layouts import ArrayLayout

Arrays: TypeAlias = dict[str, "np.ndarray[Any, Any]"]

LARGEST = 1 << 31
"""Bytes that the arrays of one file may have together: a compressed file can claim any number."""

_NAME = 100  # characters
_DIMENSIONS = 32
_HEADER = 10_000  # bytes; NumPy reads no longer ones either


def read_arrays(data: bytes) -> Arrays:
    """Return the arrays in the bytes of an .npz file, by name.

    Raises:
        PackError: it holds anything else than arrays of numbers, booleans and text, or is damaged.
    """
    with _one_line(), zipfile.ZipFile(io.BytesIO(data)) as archive:
        return _arrays_of(archive)


def read_array(data: bytes) -> np.ndarray[Any, Any]:
    """Return the array in the bytes of an .npy file.

    Raises:
        PackError: it holds anything else than an array of numbers, booleans or text, or is damaged.
    """
    with _one_line():
        return _array(bytearray(data), "it")


@contextlib.contextmanager
def _one_line() -> Generator[None]:
    """Raise any failure in the block as an error of one line."""
    try:
        yield
    except PackError:
        raise
    except MemoryError:
        raise PackError("its arrays do not fit into memory") from None
    except Exception as error:  # zipfile, zlib and NumPy raise anything on damaged files
        reason = " ".join(str(error).split())[:300]  # some of NumPy's have several lines
        raise PackError(f"it is damaged ({type(error).__name__}: {reason})") from None


def _arrays_of(archive: zipfile.ZipFile) -> Arrays:
    arrays: Arrays = {}
    # What the archive says of the sizes bounds what is read: the reader refuses members that are larger.
    if sum(member.file_size for member in archive.infolist()) > LARGEST:
        raise PackError(f"its arrays have more than {LARGEST} bytes")
    for member in archive.infolist():
        name = member.filename.removesuffix(".npy")
        if len(name) > _NAME:
            raise PackError(f"an array has a name of {len(name)} characters; at most {_NAME} are read")
        if name in arrays:
            raise PackError(f"the array {name!a} is there twice")
        with archive.open(member) as file:
            content = bytearray(file.read(member.file_size))
        arrays[name] = _array(content, f"the array {name!a}")
    return arrays


def _array(content: bytearray, what: str) -> np.ndarray[Any, Any]:
    """Return the array in the bytes of an .npy file, which it keeps.

    Args:
        content: the bytes.
        what: what messages call it.
    """
    head = io.BytesIO(content[: _HEADER + 16])
    version = np.lib.format.read_magic(head)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read_header is None:
        raise PackError(f"{what} has a format of another version")
    shape, is_fortran, dtype = read_header(head, max_header_size=_HEADER)
    if dtype.kind not in "biufU":
        raise PackError(f"{what} has the type {dtype.str}; numbers, booleans and text are read")
    start = head.tell()
    if len(shape) > _DIMENSIONS:
        raise PackError(f"{what} has {len(shape)} dimensions; at most {_DIMENSIONS} are read")
    if math.prod(shape) * dtype.itemsize != len(content) - start:
        raise PackError(f"{what} has {len(content) - start} bytes, which its shape {shape} does not fit")
    flat = np.frombuffer(content, dtype, offset=start)
    return flat.reshape(shape, order="F" if is_fortran else "C")


def fitted_arrays(arrays: Arrays, layouts: Mapping[str, ArrayLayout]) -> Arrays:
    """Return the arrays of a layout in the types that the library computes with: float32, int32 and text.

    Args:
        arrays: of one file.
        layouts: what they have to be, by name; other arrays are left out.

    Raises:
        PackError: an array is missing, of another kind or shape, not finite, or out of range.
    """
    sizes: dict[str, int] = {}
    fitted: Arrays = {}
    for name, layout in layouts.items():
        if name not in arrays:
            if layout.optional:
                continue
            raise PackError(f"it has no array {name!r}")
        _check_shape(name, arrays[name], layout, sizes)
    for name in layouts.keys() & arrays.keys():
        fitted[name] = _converted(name, arrays[name], layouts[name], sizes)
    return fitted


def _check_shape(name: str, array: np.ndarray[Any, Any], layout: ArrayLayout, sizes: dict[str, int]) -> None:
    if array.dtype.kind not in layout.kinds:
        raise PackError(f"the array {name!r} has the type {array.dtype.str}; {layout.kind} are needed")
    fits = array.ndim == len(layout.shape)
    for want, have in zip(layout.shape, array.shape, strict=False):
        fits = fits and have == (sizes.setdefault(want, have) if isinstance(want, str) else want)
    if not fits:
        needed = ", ".join(str(sizes.get(s, s) if isinstance(s, str) else s) for s in layout.shape)
        raise PackError(f"the array {name!r} has the shape {array.shape}; ({needed}) is needed")


def _converted(
    name: str, array: np.ndarray[Any, Any], layout: ArrayLayout, sizes: Mapping[str, int]
) -> np.ndarray[Any, Any]:
    if layout.kind == "texts":
        if not all(str(text).isprintable() for text in array.flat):
            raise PackError(f"the array {name!r} has text with control characters")
        return array
    low, high = layout.least, layout.most
    if layout.below is not None:
        low, high = 0, sizes[layout.below] - 1
    # Not a number is no smaller and no larger than anything.
    if array.size and not (array.min() >= low and array.max() <= high):
        raise PackError(f"the array {name!r} has values that are not between {low:g} and {high:g}")
    return np.ascontiguousarray(array, np.float32 if layout.kind == "numbers" else np.int32)
