"""Open Sound Control 1.0: messages and bundles as bytes.

Source: Wright, "The Open Sound Control 1.0 Specification", 2002.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import TypeAlias

Argument: TypeAlias = int | float | str

_IMMEDIATELY = struct.pack(">Q", 1)
_LENGTH = struct.Struct(">i")
_BUNDLE_HEADER = b"#bundle\0" + _IMMEDIATELY

MAX_DATAGRAM = 1472
"""Bytes of a UDP datagram that passes an Ethernet in one piece: 1500 less the headers of IP and UDP."""


def message(address: str, *arguments: Argument) -> bytes:
    """Return a message.

    Args:
        address: where to, such as "/VMC/Ext/OK".
        arguments: whole numbers (int32), numbers (float32) and texts.
    """
    tags, data = ",", b""
    for argument in arguments:
        if isinstance(argument, str):
            tags += "s"
            data += _text(argument)
        elif isinstance(argument, int):
            tags += "i"
            data += struct.pack(">i", argument)
        else:
            tags += "f"
            data += struct.pack(">f", argument)
    return _text(address) + _text(tags) + data


def bundles(messages: Iterable[bytes], max_bytes: int = MAX_DATAGRAM) -> Iterator[bytes]:
    """Yield bundles that hold the messages in their order, each at most `max_bytes` long.

    Args:
        messages: from `message`.
        max_bytes: size of a bundle; a message that is longer gets a bundle of its own.
    """
    parts, size = [_BUNDLE_HEADER], len(_BUNDLE_HEADER)
    for content in messages:
        added = _LENGTH.size + len(content)
        if len(parts) > 1 and size + added > max_bytes:
            yield b"".join(parts)
            parts, size = [_BUNDLE_HEADER], len(_BUNDLE_HEADER)
        parts += (_LENGTH.pack(len(content)), content)
        size += added
    if len(parts) > 1:
        yield b"".join(parts)


def _text(text: str) -> bytes:
    """Return a text, ended by one to four zeros that make its length a multiple of 4."""
    data = text.encode()
    return data + b"\0" * (4 - len(data) % 4)
