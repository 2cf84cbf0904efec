"""Arrays out of pickles and PyTorch checkpoints, without running what is in them.

A pickle is a program: loading one from the network runs its author's code. The reader here gives it a
vocabulary of containers, numbers, text and arrays; a pickle that names anything else is refused before
anything of it runs. It reads plain pickles with NumPy arrays and both formats of `torch.save`, and needs
no torch.

Source: the pickle protocol (docs.python.org, `pickletools`), `numpy.ndarray.__reduce__`, and the two
layouts that `torch.save` writes (torch/serialization.py).
"""

from __future__ import annotations

import io
import pickle
import re
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tddfa.errors import PackError, UnsafePickleError

_TORCH_MAGIC = 0x1950A86A20F9469CFC6C
_TORCH_PROTOCOL = 1001

_STORAGE_TYPES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "?",
}


class _DType:
    """Stands for numpy.dtype; only numbers and booleans."""

    def __init__(self, code: object, *_: object) -> None:
        if not isinstance(code, str) or not re.fullmatch(r"[<>|=]?(?:[iufb][1248]|\?)", code):
            raise UnsafePickleError(f"it holds an array of the type {code!r}; only numbers are read")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order = state[1]
        if order in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """Stands for numpy.ndarray, whose bytes come last."""

    def __init__(self, *_: object) -> None:
        self.array: np.ndarray[Any, Any] = np.empty(0)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, shape, dtype, fortran, data = state
        if not isinstance(data, bytes) or not isinstance(dtype, _DType):
            raise UnsafePickleError("it holds an array whose content is not numbers")
        flat = np.frombuffer(data, dtype.dtype)
        self.array = flat.reshape(shape, order="F" if fortran else "C")


def _scalar(dtype: _DType, data: bytes) -> _Array:
    out = _Array()
    out.array = np.frombuffer(data, dtype.dtype).reshape(())
    return out


def _from_buffer(data: object, dtype: _DType, shape: tuple[int, ...], order: str) -> _Array:
    # How NumPy writes arrays since pickle protocol 5.
    out = _Array()
    if not isinstance(data, bytes | bytearray) or order not in ("C", "F"):
        raise UnsafePickleError("it holds an array whose content is not numbers")
    out.array = np.frombuffer(bytes(data), dtype.dtype).reshape(shape, order="F" if order == "F" else "C")
    return out


def _encode(text: str, encoding: str) -> bytes:
    # How protocol 2 writes bytes.
    if encoding != "latin1":
        raise UnsafePickleError(f"it encodes bytes as {encoding!r}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    # How protocol 2 writes the content of an empty array.
    return b""


@dataclass(slots=True)
class _Storage:
    """Memory that tensors share; filled in after the pickle, where the bytes lie."""

    dtype: np.dtype[Any]
    count: int
    data: np.ndarray[Any, Any] | None = None


@dataclass(slots=True)
class _Tensor:
    """A view of a storage."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def array(self) -> np.ndarray[Any, Any]:
        data = self.storage.data
        assert data is not None
        last = self.offset + sum((n - 1) * s for n, s in zip(self.size, self.stride, strict=True))
        if min((*self.size, *self.stride, self.offset), default=0) < 0 or last >= max(len(data), 1):
            raise PackError("a tensor reaches outside its storage")
        view = np.lib.stride_tricks.as_strided(
            data[self.offset :], self.size, tuple(s * data.itemsize for s in self.stride)
        )
        return view.copy()


def _rebuild_tensor(
    storage: object, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object
) -> _Tensor:
    if not isinstance(storage, _Storage):
        raise UnsafePickleError("it builds a tensor from something that is no storage")
    return _Tensor(storage, int(offset), tuple(map(int, size)), tuple(map(int, stride)))


def _rebuild_parameter(tensor: _Tensor, *_: object) -> _Tensor:
    return tensor


class _Word:
    """A callable of the vocabulary that a pickle can call but not change."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *args: Any) -> Any:
        return self._call(*args)

    def __setstate__(self, state: object) -> None:
        raise UnsafePickleError("it tries to change the reader")


_VOCABULARY: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _Word(OrderedDict),
    ("_codecs", "encode"): _Word(_encode),
    ("__builtin__", "bytes"): _Word(_no_bytes),
    ("numpy", "ndarray"): _Word(_Array),
    ("numpy", "dtype"): _Word(_DType),
    ("torch._utils", "_rebuild_tensor_v2"): _Word(_rebuild_tensor),
    ("torch._utils", "_rebuild_tensor"): _Word(_rebuild_tensor),
    ("torch._utils", "_rebuild_parameter"): _Word(_rebuild_parameter),
    **{("torch", name): code for name, code in _STORAGE_TYPES.items()},
}
for _core in ("numpy.core", "numpy._core"):  # NumPy 1 and 2
    _VOCABULARY[f"{_core}.multiarray", "_reconstruct"] = _Word(_Array)
    _VOCABULARY[f"{_core}.multiarray", "scalar"] = _Word(_scalar)
    _VOCABULARY[f"{_core}.numeric", "_frombuffer"] = _Word(_from_buffer)


class _ArrayUnpickler(pickle.Unpickler):
    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        try:
            return _VOCABULARY[module_name, global_name]
        except KeyError:
            raise UnsafePickleError(
                f"it asks for {module_name}.{global_name}; only arrays, numbers, text and their containers "
                f"are read"
            ) from None

    def persistent_load(self, pid: Any) -> _Storage:
        # ('storage', type, key, device, count[, view]): how torch refers to memory outside the pickle.
        kind, dtype, key, _device, count = pid[:5]
        if kind != "storage" or dtype not in _STORAGE_TYPES.values():
            raise UnsafePickleError("it refers to an object outside the pickle that is no tensor storage")
        return self.storages.setdefault(str(key), _Storage(np.dtype(dtype), int(count)))


def load_arrays(path: Path) -> Any:
    """The content of a pickle or of a `torch.save` file: containers, numbers, text and arrays.

    Args:
        path: a .pkl or .pth file.

    Returns:
        What was pickled, with a NumPy array for each array or tensor.

    Raises:
        UnsafePickleError: it holds anything else.
        PackError: it is damaged or no pickle.
    """
    try:
        with path.open("rb") as file:
            if zipfile.is_zipfile(file):
                file.seek(0)
                return _load_torch_zip(file)
            file.seek(0)
            return _load_stream(file)
    except UnsafePickleError as error:
        raise UnsafePickleError(f"{path} is refused: {error}") from None
    except PackError as error:
        raise PackError(f"{path} is damaged: {error}") from None
    except MemoryError:
        raise PackError(f"{path} is damaged: it claims more memory than there is") from None
    except OSError as error:
        raise PackError(f"cannot read {path}: {error.strerror or error}") from None
    except Exception as error:  # a damaged pickle can fail in any way
        raise PackError(f"{path} is damaged or no pickle ({type(error).__name__}: {error})") from None


def _load_stream(file: BinaryIO) -> Any:
    first = _ArrayUnpickler(file).load()
    if first != _TORCH_MAGIC:
        return _finish(first)
    # Older torch: magic number, protocol, system, the object, the keys of its storages, their bytes.
    if _ArrayUnpickler(file).load() != _TORCH_PROTOCOL:
        raise PackError("it was written by an unknown version of torch.save")
    _ArrayUnpickler(file).load()
    reader = _ArrayUnpickler(file)
    content = reader.load()
    for key in _ArrayUnpickler(file).load():
        storage = reader.storages[key]
        (count,) = struct.unpack("<q", file.read(8))
        if count != storage.count:
            raise PackError("a storage has another size than its tensor says")
        _fill(storage, file.read(count * storage.dtype.itemsize))
    return _finish(content)


def _load_torch_zip(file: BinaryIO) -> Any:
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        root = next((n.removesuffix("data.pkl") for n in names if n.endswith("/data.pkl")), None)
        if root is None:
            raise PackError("the archive holds no data.pkl; it was not written by torch.save")
        if f"{root}byteorder" in names and archive.read(f"{root}byteorder") != b"little":
            raise PackError("it was written on a big-endian machine")
        reader = _ArrayUnpickler(io.BytesIO(archive.read(f"{root}data.pkl")))
        content = reader.load()
        for key, storage in reader.storages.items():
            if archive.getinfo(f"{root}data/{key}").file_size != storage.count * storage.dtype.itemsize:
                raise PackError("a storage has another size than its tensor says")
            _fill(storage, archive.read(f"{root}data/{key}"))
    return _finish(content)


def _fill(storage: _Storage, data: bytes) -> None:
    if len(data) < storage.count * storage.dtype.itemsize:
        raise PackError("it ends in the middle of a tensor")
    storage.data = np.frombuffer(data, storage.dtype, storage.count)


def _finish(value: Any) -> Any:
    """Replace the stand-ins by arrays, all the way down."""
    if isinstance(value, _Array):
        return value.array
    if isinstance(value, _Tensor):
        return value.array()
    if isinstance(value, dict):
        return {_finish(k): _finish(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        build: Callable[[list[Any]], Any] = list if isinstance(value, list) else tuple
        return build([_finish(v) for v in value])
    return value
