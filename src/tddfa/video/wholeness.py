"""Whether a video file is as long as it says itself.

How many frames a header lists tells little: edit lists hide some, AVI counts frames that were dropped. The
sizes of the outermost boxes are exact, and the last of them reaches to the end of a whole file.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

_MAX_BOXES = 100_000
_MP4_KINDS = frozenset(
    {
        b"ftyp",
        b"moov",
        b"mdat",
        b"free",
        b"skip",
        b"wide",
        b"moof",
        b"mfra",
        b"uuid",
        b"meta",
        b"sidx",
        b"styp",
        b"pnot",
    }
)
_SEGMENT = 0x18538067  # Matroska's element that holds everything


def is_cut_off(path: Path) -> bool:
    """Return whether the end of a file is missing; False for formats that do not say how long they are."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(12)
            if head[4:8] in _MP4_KINDS:
                return _mp4_is_cut(file, size)
            if head[:4] == b"RIFF":
                return _riff_is_cut(head, size)
            if head[:4] == b"\x1a\x45\xdf\xa3":
                return _matroska_is_cut(file, size)
    except (OSError, struct.error, IndexError):
        pass
    return False


def _mp4_is_cut(file: BinaryIO, size: int) -> bool:
    at = 0
    for _ in range(_MAX_BOXES):
        if at >= size:
            return at > size
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return False  # a few bytes behind the last box hurt nobody
        (length,) = struct.unpack_from(">I", head)
        if head[4:8] not in _MP4_KINDS or length == 0:
            return False
        if length == 1:
            (length,) = struct.unpack_from(">Q", head, 8)
        if length < 8:
            return False
        at += length
    return False


def _riff_is_cut(head: bytes, size: int) -> bool:
    (length,) = struct.unpack_from("<I", head, 4)
    return 0 < length < 0xFFFFFFF0 and length + 8 > size + 1  # some writers forget to pad


def _matroska_is_cut(file: BinaryIO, size: int) -> bool:
    file.seek(4)
    length, start = _vint(file.read(8), 4)
    file.seek(start + (length or 0))
    head = file.read(12)
    if struct.unpack_from(">I", head)[0] != _SEGMENT:
        return False
    at = start + (length or 0) + 4
    length, start = _vint(head[4:], at)
    return length is not None and start + length > size


def _vint(data: bytes, at: int) -> tuple[int | None, int]:
    """Return the value of an EBML length (None: unknown) and the offset behind it."""
    n = 9 - data[0].bit_length()
    value = int.from_bytes(data[:n], "big") & ((1 << 7 * n) - 1)
    return (None if value == (1 << 7 * n) - 1 else value), at + n
