"""ONNX files that are whole by themselves: networks that would read other files are refused."""

from __future__ import annotations

from collections.abc import Iterator

from tddfa.errors import PackError

# Message of ONNX → the messages in its fields, by number. Source: onnx.proto of ONNX 1.18 (IR version 11).
_INSIDE: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 20: "Training", 25: "Function"},
    "Training": {1: "Graph", 2: "Graph"},
    "Function": {7: "Node", 11: "Attribute"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Node": {5: "Attribute"},
    "Attribute": {
        5: "Tensor",
        6: "Graph",
        10: "Tensor",
        11: "Graph",
        22: "SparseTensor",
        23: "SparseTensor",
    },
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
    "Tensor": {},
}
_OP_TYPE = 4  # of a node
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14  # of a tensor
_CONTEXT = b"EPContext"  # a node whose content lies in a file of an execution provider
_ORT_FORMAT = b"ORTM"  # ONNX Runtime's own format, at byte 4


def check_self_contained(model: bytes, *, for_cpu: bool = False) -> None:
    """Refuse a network that would read other files when it is loaded.

    ONNX lets weights lie in other files, anywhere on the machine, and no checksum of the pack covers them.

    Args:
        model: the bytes of an ONNX file.
        for_cpu: it only runs on the CPU, which knows no nodes with files of their own; saves a millisecond.

    Raises:
        PackError: it names other files, or is no ONNX file.
    """
    if model[4:8] == _ORT_FORMAT:
        raise PackError("it is in the format of ONNX Runtime; networks of packs are ONNX files")
    # Whoever names a file writes this word, as it is: most networks need no closer look.
    if b"location" not in model and (for_cpu or _CONTEXT not in model):
        return
    try:
        outside = _reads_files(model)
    except (IndexError, ValueError):
        raise PackError("it is not an ONNX file: its messages are damaged") from None
    if outside:
        raise PackError("it keeps weights in other files; networks of packs are one file")


def _reads_files(model: bytes) -> bool:
    waiting = [("Model", 0, len(model))]
    while waiting:
        kind, start, stop = waiting.pop()
        for number, value in _fields(model, start, stop):
            if isinstance(value, int):
                if (kind, number) == ("Tensor", _DATA_LOCATION) and value:
                    return True
                continue
            inner = _INSIDE[kind].get(number)
            if inner is not None:
                waiting.append((inner, *value))
            elif (kind, number) == ("Tensor", _EXTERNAL_DATA) or (
                (kind, number) == ("Node", _OP_TYPE) and model[slice(*value)] == _CONTEXT
            ):
                return True
    return False


def _fields(data: bytes, at: int, stop: int) -> Iterator[tuple[int, int | tuple[int, int]]]:
    """Yield number and value of each field of a message: a number, or where its bytes start and stop.

    Source: the wire format of Protocol Buffers.
    """
    while at < stop:
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
        elif wire == 2:
            size, at = _varint(data, at)
            if at + size > stop:
                raise ValueError("a field reaches out of its message")
            yield number, (at, at + size)
            at += size
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        else:
            raise ValueError("groups are not in ONNX")
    if at > stop:
        raise ValueError("a field reaches out of its message")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
    raise ValueError("a number is too long")
