"""PNG: walk the chunks, and keep those that make the image.

libpng writes warnings about ancillary chunks (profiles, times, texts) to standard error and allocates what a
chunk's length claims; it is given neither. Source: PNG specification (third edition).
"""

from __future__ import annotations

import binascii
import contextlib
import struct
import zlib
from itertools import pairwise

from tddfa.imaging.formats.exif import exif_orientation, xmp_orientation
from tddfa.imaging.formats.header import (
    MAX_PROFILE_BYTES,
    DamagedImageError,
    ImageFormat,
    ImageHeader,
    starts_with,
)

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEPT = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_RAW_PROFILE = (b"Raw profile type exif", b"Raw profile type APP1")  # as older ImageMagick writes EXIF
_XMP = b"XML:com.adobe.xmp\x00\x00"  # not compressed
_TRUNCATED = "a damaged or truncated PNG file: its end is missing; copy or download it again"
_MAX_EXIF = 1 << 20  # bytes, decompressed


def _inspect(data: bytes) -> ImageHeader:
    view = memoryview(data)
    spans: list[tuple[int, int]] = []
    size, n_data, at, profile = None, 0, len(_SIGNATURE), b""
    # EXIF in a chunk, EXIF in a text, XMP: the first of them that names an orientation counts.
    orientations: list[int | None] = [None, None, None]
    while True:
        if at + 12 > len(data):
            raise DamagedImageError(_TRUNCATED)
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise DamagedImageError(_TRUNCATED)
        body = view[at + 8 : end - 4]
        if (kind == b"IHDR") != (size is None):
            raise DamagedImageError("a damaged or truncated PNG file: its header is not where it should be")
        if kind in _KEPT:
            (checksum,) = struct.unpack_from(">I", data, end - 4)
            if zlib.crc32(view[at + 4 : end - 4]) != checksum:
                raise DamagedImageError("a damaged or truncated PNG file: a checksum is wrong")
            spans.append((at, end))
            n_data += length if kind == b"IDAT" else 0
        if kind == b"IHDR":
            if length != 13:
                raise DamagedImageError("a damaged or truncated PNG file: its header has a wrong length")
            size = struct.unpack_from(">II", body)
        elif kind == b"iCCP" and not n_data:
            profile = _profile(bytes(body))
        elif kind == b"eXIf":
            orientations[0] = exif_orientation(bytes(body))
        elif kind in (b"zTXt", b"tEXt") and bytes(body[:32]).startswith(_RAW_PROFILE):
            orientations[1] = _raw_profile_orientation(kind, bytes(body))
        elif kind == b"iTXt" and bytes(body[: len(_XMP)]) == _XMP:
            orientations[2] = xmp_orientation(bytes(body))
        elif kind == b"IEND":
            break
        at = end
    if size is None or 0 in size or not n_data:
        raise DamagedImageError("a damaged or truncated PNG file: it holds no image")
    return ImageHeader(*size, next((k for k in orientations if k), 1), _joined(data, spans), profile=profile)


def _joined(data: bytes, spans: list[tuple[int, int]]) -> bytes | memoryview:
    """Return the signature and the spans of `data`, without a copy where nothing was left out."""
    if spans[0][0] == len(_SIGNATURE) and all(a[1] == b[0] for a, b in pairwise(spans)):
        return memoryview(data)[: spans[-1][1]]
    return b"".join([_SIGNATURE, *(data[start:end] for start, end in spans)])


def _profile(body: bytes) -> bytes:
    """Return the colour profile of a chunk; nothing where it is damaged or too large."""
    _, _, packed = body.partition(b"\x00")  # its name
    unpacking = zlib.decompressobj()
    with contextlib.suppress(zlib.error):
        profile = unpacking.decompress(packed[1:], MAX_PROFILE_BYTES)
        return profile if unpacking.eof else b""
    return b""


def _raw_profile_orientation(kind: bytes, body: bytes) -> int | None:
    """Return the orientation in EXIF data that a text chunk holds as hexadecimal digits."""
    _, _, text = body.partition(b"\x00")
    with contextlib.suppress(zlib.error, binascii.Error, ValueError):
        if kind == b"zTXt":
            text = zlib.decompressobj().decompress(text[1:], _MAX_EXIF)
        # "\nexif\n      1234\n45786966…": a name, a length, the digits.
        digits = b"".join(text.split()[2:])
        return exif_orientation(binascii.unhexlify(digits))
    return None


FORMAT = ImageFormat("PNG", starts_with(_SIGNATURE), _inspect)
