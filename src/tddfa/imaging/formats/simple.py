"""Formats whose size lies at a fixed place: GIF, BMP, PNM and PFM, Radiance HDR, Sun raster."""

from __future__ import annotations

import re
import struct

from tddfa.imaging.formats.header import DamagedImageError, ImageFormat, ImageHeader, starts_with


def _checked(name: str, width: int, height: int, data: bytes, details: int | None = None) -> ImageHeader:
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


_SPACE = rb"(?:\s|#[^\n]*\n)+"
_PNM_SIZE = re.compile(rb"P[1-6Ff]" + _SPACE + rb"(\d{1,9})" + _SPACE + rb"(\d{1,9})\s")
_PNM_WHITE = re.compile(_SPACE + rb"(\d{1,9})\s")


def _inspect_pnm(data: bytes) -> ImageHeader:
    width, height, end = _pnm_size("PNM", data)
    if data[1:2] in b"14":  # bitmaps have no largest value
        return _checked("PNM", width, height, data)
    found = _PNM_WHITE.match(data, end)
    white = int(found[1]) if found is not None else 0
    if found is None or not 0 < white < 1 << 16:
        raise DamagedImageError("a damaged or truncated PNM file: its header gives no largest value")
    # OpenCV returns the stored samples when the file says that they have the whole range of their type.
    whole = b"255" if white < 1 << 8 else b"65535"
    if found[1] != whole:
        data = data[: found.start(1)] + whole + data[found.end(1) :]
    return _checked("PNM", width, height, data, white)


def _inspect_pfm(data: bytes) -> ImageHeader:
    width, height, _ = _pnm_size("PFM", data)
    return _checked("PFM", width, height, data)


def _pnm_size(name: str, data: bytes) -> tuple[int, int, int]:
    """Return width, height and where the white space behind them begins."""
    found = _PNM_SIZE.match(data)
    if found is None:
        raise DamagedImageError(f"a damaged or truncated {name} file: its header gives no size")
    return int(found[1]), int(found[2]), found.end() - 1


_RADIANCE_SIZE = re.compile(rb"\n[-+]Y (\d{1,9}) [-+]X (\d{1,9})\n")


def _inspect_radiance(data: bytes) -> ImageHeader:
    found = _RADIANCE_SIZE.search(data, 0, 4096)
    if found is None:
        raise DamagedImageError("a damaged or truncated Radiance HDR file: its header gives no size")
    return _checked("Radiance HDR", int(found[2]), int(found[1]), data)


def _inspect_sun(data: bytes) -> ImageHeader:
    width, height = _unpack("Sun raster", ">II", data, 4)
    return _checked("Sun raster", width, height, data)


def _is_pnm(data: bytes) -> bool:
    return re.match(rb"P[1-6]\s", data) is not None


def _is_pfm(data: bytes) -> bool:
    return re.match(rb"P[Ff]\s", data) is not None


def _is_bmp(data: bytes) -> bool:
    # "BM" also begins many texts: the length of the second header tells.
    return data[:2] == b"BM" and data[15:18] == b"\x00\x00\x00" and data[14:15] >= b"\x0c"


GIF = ImageFormat("GIF", starts_with(b"GIF87a", b"GIF89a"), _inspect_gif)
BMP = ImageFormat("BMP", _is_bmp, _inspect_bmp)
PNM = ImageFormat("PNM", _is_pnm, _inspect_pnm, "pnm")
PFM = ImageFormat("PFM", _is_pfm, _inspect_pfm, "floats")
RADIANCE = ImageFormat("Radiance HDR", starts_with(b"#?RADIANCE", b"#?RGBE"), _inspect_radiance, "light")
SUN = ImageFormat("Sun raster", starts_with(b"\x59\xa6\x6a\x95"), _inspect_sun)
