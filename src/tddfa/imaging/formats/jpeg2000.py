"""JPEG 2000: the image size in its codestream. Source: ITU-T T.800, annex A."""

from __future__ import annotations

import struct

from tddfa.imaging.formats.header import DamagedImageError, ImageFormat, ImageHeader, starts_with

_BOXES = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
_CODESTREAM = b"\xff\x4f\xff\x51"  # start of codestream, then the size marker


def _inspect(data: bytes) -> ImageHeader:
    at = data.find(_CODESTREAM, 0, 1 << 20)
    try:
        x1, y1, x0, y0 = struct.unpack_from(">IIII", data, at + 8) if at >= 0 else (0, 0, 0, 0)
    except struct.error:
        x1 = y1 = x0 = y0 = 0
    if x1 <= x0 or y1 <= y0:
        raise DamagedImageError("a damaged or truncated JPEG 2000 file: it gives no size")
    return ImageHeader(x1 - x0, y1 - y0, data=data)


FORMAT = ImageFormat("JPEG 2000", starts_with(_BOXES, _CODESTREAM), _inspect, "deep")
