"""Formats whose size lies at a fixed place: GIF, PNM and PFM, Sun raster."""

from __future__ import annotations

import re
import struct

from tddfa.imaging.formats.header import (
    DamagedImageError,
    ImageFormat,
    ImageHeader,
    UnreadableImageError,
    starts_with,
)


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
    width, height, flags, background = _unpack("GIF", "<HHBB", data, 6)
    palette = 3 * (2 << (flags & 7)) if flags & 0x80 else 0
    if palette and background >= palette // 3:
        background = 0  # OpenCV refuses one that the palette does not have; no other reader uses it.
    frame = _first_frame(data, 13 + palette)
    if frame is not None:
        end, across, down = frame
        # OpenCV refuses frames that reach beyond the canvas. Pillow enlarges it, as is done here.
        width, height = max(width, across), max(height, down)
        data = data[:end] + b";"
    size = struct.pack("<HH", min(width, 0xFFFF), min(height, 0xFFFF))
    data = b"".join((data[:6], size, data[10:11], bytes([background]), data[12:]))
    return _checked("GIF", width, height, data)


def _first_frame(data: bytes, at: int) -> tuple[int, int, int] | None:
    """Return where the first frame of a GIF ends, and how far it reaches across and down the canvas, px.

    Args:
        data: the file.
        at: where its blocks begin.

    Returns:
        None where there is no whole frame.
    """
    try:
        while data[at] == 0x21:  # an extension
            at = _behind_blocks(data, at + 2)
        if data[at] != 0x2C:
            return None
        left, top, width, height, flags = struct.unpack_from("<HHHHB", data, at + 1)
        palette = 3 * (2 << (flags & 7)) if flags & 0x80 else 0
        return _behind_blocks(data, at + 11 + palette), left + width, top + height
    except (IndexError, struct.error):
        return None


def _behind_blocks(data: bytes, at: int) -> int:
    """Return where a chain of blocks ends, each of which begins with its length; the last has none."""
    while length := data[at]:
        at += 1 + length
    return at + 1


_SPACE = rb"(?:\s|#[^\n]*\n)+"
_PNM_SIZE = re.compile(rb"P[1-6Ff]" + _SPACE + rb"(\d{1,9})" + _SPACE + rb"(\d{1,9})\s")
_PFM_SCALE = re.compile(rb"\s+([-+]?[0-9.]+(?:[eE][-+]?\d+)?)(?:\r\n|\s)")
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
    width, height, end = _pnm_size("PFM", data)
    scale = _PFM_SCALE.match(data, end)
    if scale is None:
        raise DamagedImageError("a damaged or truncated PFM file: its header gives no scale")
    # OpenCV requires that lines end where most programs end them.
    start = b"%s\n%d %d\n%s\n" % (data[:2], width, height, scale[1])
    return _checked("PFM", width, height, start + data[scale.end() :])


def _pnm_size(name: str, data: bytes) -> tuple[int, int, int]:
    """Return width, height and where the white space behind them begins."""
    found = _PNM_SIZE.match(data)
    if found is None:
        raise DamagedImageError(f"a damaged or truncated {name} file: its header gives no size")
    return int(found[1]), int(found[2]), found.end() - 1


_SUN_KINDS = (0, 1, 2)  # old, standard, run-length coded: OpenCV reads no others


def _inspect_sun(data: bytes) -> ImageHeader:
    width, height, _, _, kind = _unpack("Sun raster", ">IIIII", data, 4)
    if kind not in _SUN_KINDS:
        raise UnreadableImageError(f"a Sun raster file of type {kind}, which cannot be read; save it as PNG")
    return _checked("Sun raster", width, height, data)


def _is_pnm(data: bytes) -> bool:
    return re.match(rb"P[1-6]\s", data) is not None


def _is_pfm(data: bytes) -> bool:
    return re.match(rb"P[Ff]\s", data) is not None


GIF = ImageFormat("GIF", starts_with(b"GIF87a", b"GIF89a"), _inspect_gif)
PNM = ImageFormat("PNM", _is_pnm, _inspect_pnm, "pnm")
PFM = ImageFormat("PFM", _is_pfm, _inspect_pfm, "floats")
SUN = ImageFormat("Sun raster", starts_with(b"\x59\xa6\x6a\x95"), _inspect_sun)
