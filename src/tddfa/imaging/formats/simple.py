"""Formats whose size lies at a fixed place: GIF, BMP, PNM and PFM, Radiance HDR, Sun raster."""

from __future__ import annotations

import re
import struct

from tddfa.imaging.formats.header import DamagedImageError, ImageFormat, ImageHeader, starts_with

_FLOATS = (3, 32)  # kind and bits of samples, as TIFF numbers them


def _checked(
    name: str, width: int, height: int, data: bytes, details: tuple[int, int] | None = None
) -> ImageHeader:
    if width <= 0 or height <= 0:
        raise DamagedImageError(f"a damaged or truncated {name} file: its size is {width} × {height}")
    return ImageHeader(width, height, data=data, details=details)


def _unpack(name: str, layout: str, data: bytes, at: int) -> tuple[int, ...]:
    try:
        return struct.unpack_from(layout, data, at)
    except struct.error:
        raise DamagedImageError(f"a damaged or truncated {name} file: its header is cut short") from None


def _inspect_gif(data: bytes) -> ImageHeader:
    width, height = _unpack("GIF", "<HH", data, 6)
    return _checked("GIF", width, height, data)


def _inspect_bmp(data: bytes) -> ImageHeader:
    (length,) = _unpack("BMP", "<I", data, 14)
    width, height = _unpack("BMP", "<HH" if length == 12 else "<ii", data, 18)
    return _checked("BMP", width, abs(height), data)  # rows from the top have a negative height


_PNM_SIZE = re.compile(rb"P[1-6Ff](?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})\s")


def _inspect_pnm(data: bytes) -> ImageHeader:
    found = _PNM_SIZE.match(data)
    if found is None:
        raise DamagedImageError("a damaged or truncated PNM file: its header gives no size")
    return _checked("PNM", int(found[1]), int(found[2]), data, _FLOATS if data[1:2] in b"Ff" else None)


_RADIANCE_SIZE = re.compile(rb"\n[-+]Y (\d{1,9}) [-+]X (\d{1,9})\n")


def _inspect_radiance(data: bytes) -> ImageHeader:
    found = _RADIANCE_SIZE.search(data, 0, 4096)
    if found is None:
        raise DamagedImageError("a damaged or truncated Radiance HDR file: its header gives no size")
    return _checked("Radiance HDR", int(found[2]), int(found[1]), data, _FLOATS)


def _inspect_sun(data: bytes) -> ImageHeader:
    width, height = _unpack("Sun raster", ">II", data, 4)
    return _checked("Sun raster", width, height, data)


def _is_pnm(data: bytes) -> bool:
    return re.match(rb"P[1-6Ff]\s", data) is not None


def _is_bmp(data: bytes) -> bool:
    # "BM" also begins many texts: the length of the second header tells.
    return data[:2] == b"BM" and data[15:18] == b"\x00\x00\x00" and data[14:15] >= b"\x0c"


GIF = ImageFormat("GIF", starts_with(b"GIF87a", b"GIF89a"), _inspect_gif)
BMP = ImageFormat("BMP", _is_bmp, _inspect_bmp)
PNM = ImageFormat("PNM", _is_pnm, _inspect_pnm, "deep")
RADIANCE = ImageFormat("Radiance HDR", starts_with(b"#?RADIANCE", b"#?RGBE"), _inspect_radiance, "deep")
SUN = ImageFormat("Sun raster", starts_with(b"\x59\xa6\x6a\x95"), _inspect_sun)
