"""TIFF: the first page's size, orientation and kind of samples.

Source: TIFF 6.0; BigTIFF as libtiff writes it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from tddfa.imaging.formats.header import (
    DamagedImageError,
    ImageFormat,
    ImageHeader,
    UnreadableImageError,
    starts_with,
)

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 6: 1, 7: 1, 8: 2, 9: 4, 13: 4, 16: 8, 17: 8, 18: 8}
_LETTERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_OFFSETS, _ORIENTATION, _SAMPLES, _COUNTS, _TILE_OFFSETS, _TILE_COUNTS = 273, 274, 277, 279, 324, 325
_TILE_WIDTH, _TILE_HEIGHT, _FORMAT_OF_SAMPLES, _DNG = 322, 323, 339, 50706
_CFA, _LINEAR_RAW = 32803, 34892  # colours of camera raw files
_READ = (
    *(_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _OFFSETS, _ORIENTATION, _SAMPLES),
    *(_COUNTS, _TILE_OFFSETS, _TILE_COUNTS, _TILE_WIDTH, _TILE_HEIGHT, _FORMAT_OF_SAMPLES, _DNG),
)
_MAX_VALUES = 1 << 22  # strips or tiles of a page


@dataclass(frozen=True, slots=True)
class _Tag:
    """A tag's values and where the first of them lies in the file."""

    values: tuple[int, ...]
    offset: int


def _inspect(data: bytes) -> ImageHeader:
    order = "<" if data[:2] == b"II" else ">"
    try:
        tags = _tags(data, order)
    except struct.error:
        raise DamagedImageError("a damaged or truncated TIFF file: its directory is cut short") from None

    def first(tag: int, otherwise: int) -> int:
        return tags[tag].values[0] if tag in tags and tags[tag].values else otherwise

    if data[8:10] == b"CR" or _DNG in tags or first(_PHOTOMETRIC, 0) in (_CFA, _LINEAR_RAW):
        raise UnreadableImageError("a camera raw file; develop it to JPEG or PNG first")
    width, height = first(_WIDTH, 0), first(_HEIGHT, 0)
    if not width or not height:
        raise DamagedImageError("a damaged or truncated TIFF file: it gives no size")
    # Tiles are decoded one by one, each into memory of its own.
    tile = first(_TILE_WIDTH, 1) * first(_TILE_HEIGHT, 1)
    if tile > max(4 * width * height, 1 << 20):
        raise DamagedImageError("a damaged TIFF file: its tiles are larger than the image")
    starts = tags.get(_OFFSETS) or tags.get(_TILE_OFFSETS)
    counts = tags.get(_COUNTS) or tags.get(_TILE_COUNTS)
    if starts is None:
        raise DamagedImageError("a damaged or truncated TIFF file: it holds no image")
    lengths = counts.values if counts is not None else (0,) * len(starts.values)
    if any(a + n > len(data) for a, n in zip(starts.values, lengths, strict=False)):
        raise DamagedImageError("a truncated TIFF file: its end is missing; copy or download it again")
    orientation = first(_ORIENTATION, 1)
    if orientation != 1:
        # Versions of OpenCV differ in whether they apply it: they get images that are said to be upright.
        patched = bytearray(data)
        struct.pack_into(order + "H", patched, tags[_ORIENTATION].offset, 1)
        data = bytes(patched)
    samples = first(_FORMAT_OF_SAMPLES, 1)
    return ImageHeader(width, height, orientation, data, details=(samples, first(_BITS, 1)))


def _tags(data: bytes, order: str) -> dict[int, _Tag]:
    """Return the tags of the first directory that are needed here."""
    big = data[2:4] in (b"+\x00", b"\x00+")
    word, entry, inline = ("Q", 20, 8) if big else ("I", 12, 4)
    (start,) = struct.unpack_from(order + word, data, 8 if big else 4)
    (n,) = struct.unpack_from(order + ("Q" if big else "H"), data, start)
    first = start + (8 if big else 2)
    if n * entry > len(data) - first:
        raise struct.error
    out: dict[int, _Tag] = {}
    for at in range(first, first + n * entry, entry):
        tag, kind, count = struct.unpack_from(order + "HH" + word, data, at)
        if tag not in _READ or kind not in _LETTERS or count > _MAX_VALUES:
            continue
        where = at + entry - inline
        if count * _SIZES[kind] > inline:
            (where,) = struct.unpack_from(order + word, data, where)
        out[tag] = _Tag(struct.unpack_from(f"{order}{count}{_LETTERS[kind]}", data, where), where)
    return out


FORMAT = ImageFormat("TIFF", starts_with(b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"), _inspect, "deep")
