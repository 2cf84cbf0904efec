"""A pickle machine that only builds arrays, numbers, text and containers of them.

A pickle is a program: loading one from the network runs its author's code. This machine knows the
instructions that build containers, and a vocabulary of a dozen callables; a pickle that asks for anything
else is refused before anything of it runs. Time and memory are bounded by the size of the file: Python's own
machine allocates what a pickle claims, and shared containers would be walked once for each way to them.

Source: the pickle protocol (docs.python.org, `pickletools`), `numpy.ndarray.__reduce__`, and what
`torch.save` writes (torch/_utils.py).
"""

from __future__ import annotations

import io
import pickletools
import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.errors import PackError, UnsafePickleError

_DEEPEST = 64  # levels of containers
_LARGEST_KEY = 1 << 60  # whole numbers up to here have hashes of their own

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


class Budget:
    """Bytes that the arrays of a file may have in all.

    Args:
        file_size: bytes of the file.
    """

    def __init__(self, file_size: int) -> None:
        # Checkpoints hold each number once. Some share one storage between several tensors.
        self._left = (1 << 20) + 4 * file_size

    def take(self, n_bytes: int) -> None:
        """Count bytes that are about to be allocated.

        Raises:
            PackError: there are more than a file of this size explains.
        """
        self._left -= n_bytes
        if self._left < 0:
            raise PackError("it claims more memory than a file of its size needs")


class _DType:
    """Stands for numpy.dtype; only numbers and booleans."""

    def __init__(self, code: object, *_: object) -> None:
        if not isinstance(code, str) or not re.fullmatch(r"[<>|=]?(?:[iufb][1248]|\?)", code):
            raise UnsafePickleError(f"it holds an array of the type {_shown(code)}; only numbers are read")
        self.dtype = np.dtype(code)

    def build(self, state: Any) -> None:
        order = state[1]
        if order in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """Stands for numpy.ndarray, whose bytes come last."""

    def __init__(self, *_: object) -> None:
        self.array: np.ndarray[Any, Any] = np.empty(0)

    def build(self, state: Any) -> None:
        _version, shape, dtype, is_fortran, data = state
        if not isinstance(data, bytes) or not isinstance(dtype, _DType):
            raise UnsafePickleError("it holds an array whose content is not numbers")
        self.array = np.frombuffer(data, dtype.dtype).reshape(shape, order="F" if is_fortran else "C")


@dataclass(slots=True)
class Storage:
    """Memory that tensors share; filled in after the pickle, where the bytes lie."""

    dtype: np.dtype[Any]
    count: int
    data: np.ndarray[Any, Any] | None = None

    @property
    def n_bytes(self) -> int:
        """Size of the memory."""
        return self.count * self.dtype.itemsize


@dataclass(slots=True)
class _Tensor:
    """A view of a storage."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def array(self, budget: Budget) -> np.ndarray[Any, Any]:
        data = self.storage.data
        if data is None:
            raise PackError("a tensor has no storage")
        if len(self.size) != len(self.stride) or min((*self.size, *self.stride, self.offset), default=0) < 0:
            raise PackError("a tensor reaches outside its storage")
        count = 1
        for n in self.size:
            count *= n
        if count == 0:
            return np.zeros(self.size, data.dtype)
        last = self.offset + sum((n - 1) * s for n, s in zip(self.size, self.stride, strict=True))
        if last >= len(data):
            raise PackError("a tensor reaches outside its storage")
        budget.take(count * data.itemsize)
        strides = tuple(s * data.itemsize for s in self.stride)
        return np.lib.stride_tricks.as_strided(data[self.offset :], self.size, strides).copy()


class _Word:
    """A callable of the vocabulary, which a pickle can call but not change."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self.call = call


def _scalar(dtype: Any, data: Any) -> _Array:
    out = _Array()
    out.array = np.frombuffer(data, dtype.dtype).reshape(())
    return out


def _from_buffer(data: object, dtype: Any, shape: Any, order: Any) -> _Array:
    # How NumPy writes arrays since pickle protocol 5.
    out = _Array()
    if not isinstance(data, bytes | bytearray) or order not in ("C", "F"):
        raise UnsafePickleError("it holds an array whose content is not numbers")
    out.array = np.frombuffer(data, dtype.dtype).reshape(shape, order=order)
    return out


def _no_bytes() -> bytes:
    # How protocol 2 writes the content of an empty array.
    return b""


def _rebuild_tensor(storage: object, offset: Any, size: Any, stride: Any, *_: object) -> _Tensor:
    if not isinstance(storage, Storage):
        raise UnsafePickleError("it builds a tensor from something that is no storage")
    if len(size) > _DEEPEST:
        raise PackError("a tensor has too many dimensions")
    return _Tensor(storage, int(offset), tuple(map(int, size)), tuple(map(int, stride)))


def _rebuild_parameter(tensor: Any, *_: object) -> Any:
    return tensor


def _vocabulary(budget: Budget) -> dict[tuple[str, str], Any]:
    def encode(text: str, encoding: str) -> bytes:
        # How protocol 2 writes bytes.
        if encoding != "latin1":
            raise UnsafePickleError(f"it encodes bytes as {_shown(encoding)}")
        budget.take(len(text))
        return text.encode("latin1")

    def ordered(pairs: Iterable[Any] = ()) -> dict[Any, Any]:
        return {_key(key): value for key, value in pairs}

    words: dict[tuple[str, str], Any] = {
        ("collections", "OrderedDict"): ordered,
        ("_codecs", "encode"): encode,
        ("__builtin__", "bytes"): _no_bytes,
        ("numpy", "ndarray"): _Array,
        ("numpy", "dtype"): _DType,
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
        ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
        ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    }
    for core in ("numpy.core", "numpy._core"):  # NumPy 1 and 2
        words[f"{core}.multiarray", "_reconstruct"] = _Array
        words[f"{core}.multiarray", "scalar"] = _scalar
        words[f"{core}.numeric", "_frombuffer"] = _from_buffer
    callables = {name: _Word(call) for name, call in words.items()}
    return {**callables, **{("torch", name): code for name, code in _STORAGE_TYPES.items()}}


class _Mark:
    """The instruction MARK on the stack."""


class Machine:
    """Runs the pickles of one file; tensors get their storages afterwards.

    Args:
        budget: of the file.
    """

    def __init__(self, budget: Budget) -> None:
        self.storages: dict[str, Storage] = {}
        self._budget = budget
        self._vocabulary = _vocabulary(budget)
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def load(self, stream: io.BytesIO) -> Any:
        """Run the pickle at the position of a stream, up to its end.

        Returns:
            What it builds, with stand-ins for arrays; `finished` replaces them.

        Raises:
            UnsafePickleError: it asks for anything but arrays, numbers, text and their containers.
            Exception: it is damaged.
        """
        self._stack, self._memo = [], {}
        for instruction, argument, _ in pickletools.genops(stream):
            run = _INSTRUCTIONS.get(instruction.name)
            if run is None:
                raise UnsafePickleError(
                    f"it uses the instruction {instruction.name}, which nothing here needs"
                )
            run(self, argument)
        (result,) = self._stack
        return result

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self._stack.append(value)

    def pop(self) -> Any:
        """Take the value on top of the stack."""
        value = self._stack.pop()
        if isinstance(value, _Mark):
            raise ValueError("an instruction needs a value and finds a mark")
        return value

    def pop_mark(self) -> list[Any]:
        """Take all values above the last mark, and the mark."""
        at = len(self._stack) - 1
        while not isinstance(self._stack[at], _Mark):
            at -= 1
            if at < 0:
                raise ValueError("a mark is missing")
        values = self._stack[at + 1 :]
        del self._stack[at:]
        return values

    def top(self, kind: type) -> Any:
        """Return the container on top of the stack."""
        if not isinstance(self._stack[-1], kind):
            raise ValueError(f"an instruction needs a {kind.__name__}")
        return self._stack[-1]

    def memoize(self, place: int | None) -> None:
        """Remember the value on top of the stack."""
        self._memo[len(self._memo) if place is None else place] = self._stack[-1]

    def recall(self, place: int) -> None:
        """Put a remembered value on the stack."""
        self._stack.append(self._memo[place])

    def find(self, module: object, name: object) -> None:
        """Put a word of the vocabulary on the stack."""
        if not isinstance(module, str) or not isinstance(name, str) or (module, name) not in self._vocabulary:
            word = f"{_shown(module, quoted=False)}.{_shown(name, quoted=False)}"
            raise UnsafePickleError(
                f"it asks for {word}; only arrays, numbers, text and their containers are read"
            )
        self._stack.append(self._vocabulary[module, name])

    def call(self) -> None:
        """Call a word with a tuple of arguments."""
        arguments, word = self.pop(), self.pop()
        if not isinstance(word, _Word) or not isinstance(arguments, tuple):
            raise UnsafePickleError("it calls something that is no word of the reader")
        self._stack.append(word.call(*arguments))

    def build(self) -> None:
        """Give a stand-in its content."""
        state, target = self.pop(), self._stack[-1]
        if isinstance(target, _Array | _DType):
            target.build(state)
        elif not isinstance(target, dict):  # attributes of an OrderedDict are not needed
            raise UnsafePickleError("it tries to change the reader")

    def refer(self, reference: Any) -> None:
        """Put a storage on the stack: how torch refers to memory outside the pickle."""
        # ('storage', type, key, device, count[, view])
        if not isinstance(reference, tuple) or len(reference) < 5:
            raise UnsafePickleError("it refers to an object outside the pickle that is no tensor storage")
        kind, dtype, key, _device, count = reference[:5]
        if (
            kind != "storage"
            or dtype not in _STORAGE_TYPES.values()
            or not isinstance(count, int)
            or count < 0
        ):
            raise UnsafePickleError("it refers to an object outside the pickle that is no tensor storage")
        self._stack.append(self.storages.setdefault(str(key), Storage(np.dtype(dtype), count)))

    def finished(self, content: Any) -> Any:
        """Return what a pickle built, with arrays in the place of the stand-ins."""
        return _Finish(self._budget).value(content)


class _Finish:
    """Replaces stand-ins, each once, however many ways lead to it."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._done: dict[int, Any] = {}
        self._open: set[int] = set()

    def value(self, value: Any) -> Any:
        if not isinstance(value, dict | list | tuple | _Array | _Tensor):
            return value
        if id(value) not in self._done:
            if id(value) in self._open:
                raise PackError("it holds a container that holds itself")
            if len(self._open) == _DEEPEST:
                raise PackError(f"it has more than {_DEEPEST} levels of containers")
            self._open.add(id(value))
            self._done[id(value)] = self._replaced(value)
            self._open.discard(id(value))
        return self._done[id(value)]

    def _replaced(self, value: Any) -> Any:
        if isinstance(value, _Array):
            return value.array
        if isinstance(value, _Tensor):
            return value.array(self._budget)
        if isinstance(value, dict):
            return {key: self.value(item) for key, item in value.items()}
        items = [self.value(item) for item in value]
        return items if isinstance(value, list) else tuple(items)


def _key(key: Any) -> Any:
    # Others take long to compare, or are made so that all of them meet.
    if not (key is None or isinstance(key, str | bytes) or (type(key) is int and abs(key) < _LARGEST_KEY)):
        raise UnsafePickleError(f"it has a dictionary with the key {_shown(key)}; text and numbers are read")
    return key


def _set_items(target: dict[Any, Any], flat: list[Any]) -> None:
    for key, value in zip(flat[::2], flat[1::2], strict=True):
        target[_key(key)] = value


def _ascii(m: Machine, text: Any) -> None:
    m.push(text if isinstance(text, str) and text.isascii() else text.encode("ascii").decode())


def _push(m: Machine, argument: Any) -> None:
    m.push(argument)


def _nothing(_m: Machine, _: Any) -> None:
    pass


def _global(m: Machine, argument: str) -> None:
    module, _, name = argument.partition(" ")
    m.find(module, name)


def _stack_global(m: Machine, _: Any) -> None:
    name, module = m.pop(), m.pop()
    m.find(module, name)


def _append(m: Machine, _: Any) -> None:
    value = m.pop()
    m.top(list).append(value)


def _extend(m: Machine, _: Any) -> None:
    values = m.pop_mark()
    m.top(list).extend(values)


def _set_item(m: Machine, _: Any) -> None:
    value, key = m.pop(), m.pop()
    _set_items(m.top(dict), [key, value])


def _set_many(m: Machine, _: Any) -> None:
    flat = m.pop_mark()
    _set_items(m.top(dict), flat)


def _dict_of_mark(m: Machine, _: Any) -> None:
    made: dict[Any, Any] = {}
    _set_items(made, m.pop_mark())
    m.push(made)


def _last_tuple(n: int) -> Callable[[Machine, Any], None]:
    def run(m: Machine, _: Any) -> None:
        m.push(tuple([m.pop() for _ in range(n)][::-1]))

    return run


_INSTRUCTIONS: dict[str, Callable[[Machine, Any], object]] = {
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), _nothing),
    **dict.fromkeys(
        ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"), _push
    ),
    **dict.fromkeys(("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"), _push),
    **dict.fromkeys(("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"), _push),
    **dict.fromkeys(("STRING", "BINSTRING", "SHORT_BINSTRING"), _ascii),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), Machine.recall),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), Machine.memoize),
    "NONE": lambda m, _: m.push(None),
    "NEWTRUE": lambda m, _: m.push(True),
    "NEWFALSE": lambda m, _: m.push(False),
    "MARK": lambda m, _: m.push(_Mark()),
    "POP": lambda m, _: m.pop(),
    "POP_MARK": lambda m, _: m.pop_mark(),
    "DUP": lambda m, _: m.push(m.top(object)),
    "EMPTY_LIST": lambda m, _: m.push([]),
    "EMPTY_TUPLE": lambda m, _: m.push(()),
    "EMPTY_DICT": lambda m, _: m.push({}),
    "LIST": lambda m, _: m.push(m.pop_mark()),
    "TUPLE": lambda m, _: m.push(tuple(m.pop_mark())),
    "TUPLE1": _last_tuple(1),
    "TUPLE2": _last_tuple(2),
    "TUPLE3": _last_tuple(3),
    "DICT": _dict_of_mark,
    "APPEND": _append,
    "APPENDS": _extend,
    "SETITEM": _set_item,
    "SETITEMS": _set_many,
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "REDUCE": lambda m, _: m.call(),
    "BUILD": lambda m, _: m.build(),
    "PERSID": lambda m, argument: m.refer(argument),
    "BINPERSID": lambda m, _: m.refer(m.pop()),
}


def _shown(value: object, *, quoted: bool = True) -> str:
    if isinstance(value, str):
        text = ascii(value) if quoted else ascii(value)[1:-1]
    else:
        text = type(value).__name__ if isinstance(value, dict | list | tuple) else ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
