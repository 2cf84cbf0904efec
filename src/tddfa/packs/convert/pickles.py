"""Arrays out of pickles and PyTorch checkpoints, without running what is in them, and without torch.

Source: the two layouts that `torch.save` writes (torch/serialization.py).
"""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from tddfa.errors import PackError, UnsafePickleError
from tddfa.packs.convert.unpickling import Budget, Machine, Storage
from tddfa.packs.reading import read_regular

_TORCH_MAGIC = 0x1950A86A20F9469CFC6C
_TORCH_PROTOCOL = 1001
_LARGEST = 1 << 32  # bytes of a file


def load_arrays(path: Path) -> Any:
    """Return the content of a pickle or of a `torch.save` file: containers, numbers, text and arrays.

    Args:
        path: a .pkl or .pth file.

    Returns:
        What was pickled, with a NumPy array for each array or tensor.

    Raises:
        UnsafePickleError: it holds anything else.
        PackError: it is damaged or no pickle, or claims more memory than a file of its size needs.
    """
    try:
        data = read_regular(path, _LARGEST)
        if len(data) > _LARGEST:
            raise PackError("it is too large")
        if zipfile.is_zipfile(io.BytesIO(data)):
            return _load_torch_zip(data)
        return _load_stream(data)
    except UnsafePickleError as error:
        raise UnsafePickleError(f"{path} is refused: {error}") from None
    except PackError as error:
        raise PackError(f"{path} is damaged: {error}") from None
    except MemoryError:
        raise PackError(f"{path} is damaged: it claims more memory than there is") from None
    except OSError as error:
        raise PackError(f"cannot read {path}: {error.strerror or error}") from None
    except Exception as error:  # a damaged pickle can fail in any way
        text = " ".join(str(error).split())[:200]
        raise PackError(f"{path} is damaged or no pickle ({type(error).__name__}: {text})") from None


def _load_stream(data: bytes) -> Any:
    stream, budget = io.BytesIO(data), Budget(len(data))
    machine = Machine(budget)
    first = machine.load(stream)
    if not isinstance(first, int) or first != _TORCH_MAGIC:
        return machine.finished(first)
    # Older torch: magic number, protocol, system, the object, the keys of its storages, their bytes.
    if machine.load(stream) != _TORCH_PROTOCOL:
        raise PackError("it was written by an unknown version of torch.save")
    machine.load(stream)
    content = machine.load(stream)
    keys = machine.load(stream)
    for key in keys:
        if not isinstance(key, str):
            raise PackError("a storage has no name")
        storage = machine.storages[key]
        (count,) = struct.unpack("<q", stream.read(8))
        _fill(storage, count * storage.dtype.itemsize, stream.read(min(storage.n_bytes, len(data))))
    return machine.finished(content)


def _load_torch_zip(data: bytes) -> Any:
    budget = Budget(len(data))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        root = next((n.removesuffix("data.pkl") for n in names if n.endswith("/data.pkl")), None)
        if root is None:
            raise PackError("the archive holds no data.pkl; it was not written by torch.save")

        def read(name: str) -> bytes:
            size = archive.getinfo(name).file_size
            budget.take(size)  # members can be compressed
            with archive.open(name) as file:
                return file.read(size)

        if f"{root}byteorder" in names and read(f"{root}byteorder") != b"little":
            raise PackError("it was written on a big-endian machine")
        machine = Machine(budget)
        content = machine.load(io.BytesIO(read(f"{root}data.pkl")))
        for key, storage in machine.storages.items():
            name = f"{root}data/{key}"
            size = archive.getinfo(name).file_size
            _fill(storage, size, read(name) if size == storage.n_bytes else b"")
    return machine.finished(content)


def _fill(storage: Storage, claimed: int, data: bytes) -> None:
    if claimed != storage.n_bytes:
        raise PackError("a storage has another size than its tensor says")
    if len(data) < storage.n_bytes:
        raise PackError("it ends in the middle of a tensor")
    storage.data = np.frombuffer(data, storage.dtype, storage.count) if data else np.zeros(0, storage.dtype)
