"""Tell the files that tddfa wrote from those of others.

An image, video, mesh or table that the command writes says itself who made it, so that copies, moved folders
and later versions are known too. Such a file may be written again without being asked, and it is never an
input.

The comment in images, meshes and materials holds a checksum of the rest of the file. Programs that change a
file often keep its comments: a changed file does not count as written by tddfa.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

from tddfa.dataclass import dataclass

MARK = "made by tddfa"
"""How the comment in images, meshes and videos begins; video files carry it as `comment` of the container."""

_HEAD = 1 << 12  # bytes at the start of a file in which its mark stands
_PNG_HEADER = 8 + 25  # signature and IHDR, which come first


def marked(data: bytes, suffix: str) -> bytes:
    """Return the bytes of a file with the mark in it, where its format has room for one.

    Args:
        data: bytes of a file of ours.
        suffix: suffix of its name, such as ".png".
    """
    comment = _COMMENTS.get(suffix.lower())
    return data if comment is None else comment.added(data)


@dataclass(frozen=True, slots=True)
class _Comment:
    """How a format holds the mark.

    Attributes:
        place: returns where it stands in a file, which is the same before and after it was added.
        encode: returns its bytes, whose number depends on the length of the text alone.
    """

    place: Callable[[bytes], int]
    encode: Callable[[str], bytes]

    def added(self, data: bytes) -> bytes:
        """Return the bytes of a file with the mark."""
        at = self.place(data)
        return data[:at] + self._of(data) + data[at:]

    def is_in(self, data: bytes) -> bool:
        """Return whether a file has the mark and nothing else in it was changed since."""
        at = self.place(data)
        end = at + len(self._of(b""))
        return data[at:end] == self._of(data[:at] + data[end:])

    def _of(self, rest: bytes) -> bytes:
        return self.encode(f"{MARK}, crc32 {zlib.crc32(rest):08x}")


def _after_jfif(data: bytes) -> int:
    # The JFIF segment has to stay the first.
    return 4 + int.from_bytes(data[4:6], "big") if data[2:4] == b"\xff\xe0" else 2


def _jpeg_segment(text: str) -> bytes:
    return b"\xff\xfe" + struct.pack(">H", 2 + len(text)) + text.encode()


def _after_two_lines(data: bytes) -> int:
    return data.index(b"\n", data.index(b"\n") + 1) + 1


_JPEG = _Comment(_after_jfif, _jpeg_segment)
_FIRST_LINE = _Comment(lambda data: 0, lambda text: f"# {text}\n".encode())

_COMMENTS: Mapping[str, _Comment] = {
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".png": _Comment(lambda data: _PNG_HEADER, lambda text: png_text("Software", text)),
    ".ply": _Comment(_after_two_lines, lambda text: f"comment {text}\n".encode()),
    ".obj": _FIRST_LINE,
    ".mtl": _FIRST_LINE,
}
"""Suffix → how files of that kind hold the mark."""


def png_text(keyword: str, text: str) -> bytes:
    """Return a tEXt chunk of a PNG file."""
    data = b"tEXt" + keyword.encode("latin-1") + b"\0" + text.encode("latin-1")
    return struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))


def is_ours(path: Path) -> bool:
    """Return whether tddfa wrote a file; False where it cannot be read."""
    recognise = _RECOGNISERS.get(path.suffix.lower(), _json_lines)
    try:
        if not path.is_file():
            return False  # opening a pipe would wait
        with path.open("rb") as file:
            return recognise(file, path)
    except Exception:  # zipfile and zlib raise anything on damaged files
        return False


def _has_mark(file: BinaryIO, _: Path) -> bool:
    return MARK.encode() in file.read(_HEAD)


def _is_unchanged(file: BinaryIO, path: Path) -> bool:
    start = file.read(_HEAD)
    # Files of others are not read any further.
    return MARK.encode() in start and _COMMENTS[path.suffix.lower()].is_in(start + file.read())


def _glb(file: BinaryIO, _: Path) -> bool:
    return b'"generator":"tddfa ' in file.read(_HEAD)


def _json(file: BinaryIO, _: Path) -> bool:
    return re.search(rb'"schema": ?"tddfa\.', file.read(_HEAD)) is not None


def _json_lines(file: BinaryIO, path: Path) -> bool:
    start = file.read(_HEAD)
    rows = start.startswith(b'{"frame": ') and b'"face_id": ' in start
    return rows or b'"schema": "tddfa.' in start


def _csv(file: BinaryIO, _: Path) -> bool:
    # The columns of OpenFace, with one of ours among the first.
    start = file.read(_HEAD)
    return start.startswith(b"frame,face_id,timestamp,confidence,success,state,") or _live_link(start)


def _live_link(start: bytes) -> bool:
    """Return whether the start of a Live Link Face CSV is that of one of ours.

    A CSV has no room for a mark, but the app's eyes roll, and ours never do.
    """
    header, _, row = start.partition(b"\n")
    if not (header.startswith(b"Timecode,BlendShapeCount,") and header.endswith(b",RightEyeRoll")):
        return False
    return not row or re.match(_NO_EYE_ROLL, row) is not None


_NO_EYE_ROLL = rb"[\d:.]+,\d+(,-?\d\.\d{10}){57},0\.0{10}(,-?\d\.\d{10}){2},0\.0{10}\n"


def _parquet(file: BinaryIO, _: Path) -> bool:
    file.seek(-8, 2)
    size = struct.unpack("<I", file.read(4))[0]
    file.seek(-8 - size, 2)
    names = file.read(size)
    return all(name in names for name in (b"face_id", b"success", b"pose_Rx", b"box_x0"))


def _npz(file: BinaryIO, _: Path) -> bool:
    with zipfile.ZipFile(file) as arrays:
        names = set(arrays.namelist())
        if "schema.npy" in names:
            with arrays.open("schema.npy") as schema:
                return "tddfa.".encode("utf-32-le") in schema.read(_HEAD)
    return {"columns.npy", "face_id.npy", "pose_Rx.npy"} <= names


def _npy(file: BinaryIO, path: Path) -> bool:
    # An array has no room for a mark; the mask that is written with it has one.
    return is_ours(path.with_name(f"{path.stem}_mask.png"))


def _mp4(file: BinaryIO, _: Path) -> bool:
    end = file.seek(0, 2)
    return any(
        MARK.encode() in _read(file, *metadata)
        for movie in _boxes(file, 0, end, b"moov")
        for metadata in _boxes(file, *movie, b"udta")
    )


def _boxes(file: BinaryIO, start: int, end: int, kind: bytes) -> list[tuple[int, int]]:
    """Return the start and end of the contents of each box of a kind in a part of an MP4 file."""
    found: list[tuple[int, int]] = []
    while start + 8 <= end:
        file.seek(start)
        size, name = struct.unpack(">I4s", file.read(8))
        head = 8
        if size == 1:
            size, head = struct.unpack(">Q", file.read(8))[0], 16
        size = size or end - start
        if size < head:
            break  # damaged
        if name == kind:
            found.append((start + head, min(start + size, end)))
        start += size
    return found


def _read(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    return file.read(min(end - start, 1 << 20))


_RECOGNISERS: Mapping[str, Callable[[BinaryIO, Path], bool]] = {
    **dict.fromkeys(_COMMENTS, _is_unchanged),
    ".html": _has_mark,
    ".glb": _glb,
    ".json": _json,
    ".jsonl": _json_lines,
    ".csv": _csv,
    ".parquet": _parquet,
    ".npz": _npz,
    ".npy": _npy,
    ".mp4": _mp4,
}
"""Suffix → whether an open file of that kind is one of ours."""
