"""WebP: the canvas size, and the orientation in its EXIF or XMP chunk.

Source: RFC 9649, sections 2 and 3.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tddfa.imaging.formats.exif import exif_orientation, xmp_orientation
from tddfa.imaging.formats.header import DamagedImageError, ImageFormat, ImageHeader

_METADATA = (b"EXIF", b"XMP ", b"ICCP")  # chunks that are read whole
_TRUNCATED = "a damaged or truncated WebP file: its end is missing; copy or download it again"


def _matches(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def _end(data: bytes) -> int:
    """Return where the image ends, past which files may have other bytes."""
    return 8 + int(struct.unpack_from("<I", data, 4)[0])


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name of each chunk, where its content begins, and the length of the content."""
    at, end = 12, _end(data)
    while at + 8 <= end:
        kind, length = struct.unpack_from("<4sI", data, at)
        yield kind, at + 8, length
        at += 8 + length + length % 2


def n_frames(data: bytes) -> int:
    """Return the number of frames of an animated WebP file that is not damaged; 0 of another file."""
    return sum(kind == b"ANMF" for kind, _, _ in _chunks(data)) if _matches(data) else 0


def _inspect(data: bytes) -> ImageHeader:
    if len(data) < 20 or (end := _end(data)) > len(data):
        raise DamagedImageError(_TRUNCATED)
    size, orientation, from_xmp, pixels, read, profile = None, None, None, False, 12, b""
    for kind, at, length in _chunks(data):
        body = data[at : at + (length if kind in _METADATA else 30)]
        if kind == b"VP8X" and len(body) >= 10:
            size = (1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little"))
        elif kind == b"VP8 " and len(body) >= 10:
            width, height = struct.unpack_from("<HH", body, 6)
            size = size or (width & 0x3FFF, height & 0x3FFF)
        elif kind == b"VP8L" and len(body) >= 5:
            (bits,) = struct.unpack_from("<I", body, 1)
            size = size or (1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
        elif kind == b"EXIF":
            orientation = exif_orientation(body)
        elif kind == b"XMP ":
            from_xmp = xmp_orientation(body)
        elif kind == b"ICCP":
            profile = body
        pixels |= kind in (b"VP8 ", b"VP8L", b"ANMF")
        read = at + length + length % 2
    if size is None or 0 in size or not pixels or read > end + 1:
        raise DamagedImageError("a damaged or truncated WebP file")
    return ImageHeader(*size, orientation or from_xmp or 1, memoryview(data)[:end], profile=profile)


FORMAT = ImageFormat("WebP", _matches, _inspect)
