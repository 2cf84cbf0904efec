"""BMP: the size, and how the pixels are stored.

Source: Microsoft, "Bitmap Header Types"; IBM, "OS/2 2.x bitmap format" for headers of 12, 16 and 64 bytes.
"""

from __future__ import annotations

import struct

from tddfa.dataclass import dataclass
from tddfa.imaging.formats.header import (
    DamagedImageError,
    ImageFormat,
    ImageHeader,
    UnreadableImageError,
)

_FILE = 14  # bytes before the header
_OLD, _USUAL, _WITH_MASKS = 12, 40, 52  # lengths of headers
_LENGTHS = (40, 52, 56, 64, 108, 124)
_RGB, _RLE8, _RLE4, _BITFIELDS, _JPEG, _PNG, _ALPHA_BITFIELDS = range(7)  # compressions
BLUE_GREEN_RED = (0xFF0000, 0xFF00, 0xFF)
"""Bits of red, green and blue in a pixel of 32 bits whose bytes follow each other in this order."""

_MASKS = {16: (0x7C00, 0x3E0, 0x1F), 32: BLUE_GREEN_RED}  # where the file names none
_BITS = (1, 2, 4, 8, 16, 24, 32)


@dataclass(frozen=True, slots=True)
class Bitmap:
    """Pixels that are not compressed.

    Attributes:
        bits: of a pixel.
        start: where the rows begin, bytes.
        upwards: whether the first row is the lowest one.
        palette: where the colours of pixels of up to 8 bits begin, bytes.
        n_colors: colours of the palette.
        color_bytes: of a colour of the palette: blue, green, red, and perhaps one more.
        masks: bits of red, green and blue in a pixel of 16 or 32 bits.
    """

    bits: int
    start: int
    upwards: bool
    palette: int
    n_colors: int
    color_bytes: int
    masks: tuple[int, int, int]

    def row_bytes(self, width: int) -> int:
        """Return the bytes of a row, which end with a whole number of four."""
        return (width * self.bits + 31) // 32 * 4


def _inspect(data: bytes) -> ImageHeader:
    try:
        return _header(data)
    except struct.error:
        raise DamagedImageError("a damaged or truncated BMP file: its header is cut short") from None


def _header(data: bytes) -> ImageHeader:
    (start,) = struct.unpack_from("<I", data, 10)
    (length,) = struct.unpack_from("<I", data, _FILE)
    old = length == _OLD
    width, height, _, bits = struct.unpack_from("<HHHH" if old else "<iiHH", data, _FILE + 4)
    # Headers of 16 to 36 bytes leave out fields from their end on.
    compression = struct.unpack_from("<I", data, _FILE + 16)[0] if length >= 20 else _RGB
    n_colors = struct.unpack_from("<I", data, _FILE + 32)[0] if length >= 36 else 0
    if width <= 0 or height == 0:
        raise DamagedImageError(f"a damaged or truncated BMP file: its size is {width} × {height}")
    if compression in (_JPEG, _PNG) and length >= _USUAL and bits == 0:
        name = "JPEG" if compression == _JPEG else "PNG"
        raise UnreadableImageError(f"a BMP file around a {name}, which cannot be read; save it as {name}")
    if (compression == _BITFIELDS and bits == 1) or (compression == _JPEG and bits == 24):
        name = "Huffman" if bits == 1 else "24-bit run-length"
        raise UnreadableImageError(
            f"a BMP with {name} compression of OS/2, which cannot be read; save it as PNG"
        )
    if bits == 64:
        raise UnreadableImageError("a BMP of 64 bits a pixel, which cannot be read; save it as PNG")
    upwards, height = height > 0, abs(height)
    if compression not in (_RGB, _BITFIELDS, _ALPHA_BITFIELDS):
        return ImageHeader(width, height, data=data)
    if bits not in _BITS:
        raise DamagedImageError(f"a damaged BMP file: it claims {bits} bits a pixel")
    after = _FILE + length
    masks = _MASKS.get(bits, (0, 0, 0))
    if compression != _RGB:
        masks = struct.unpack_from("<III", data, _FILE + _USUAL)
        after += 0 if length >= _WITH_MASKS else 12 if compression == _BITFIELDS else 16
    size = 3 if old else 4
    n_colors = min(n_colors or 1 << bits, 1 << bits) if bits <= 8 else 0
    if start <= after:  # some programs do not count the palette
        start = after + size * n_colors
    n_colors = min(n_colors, (start - after) // size)
    bitmap = Bitmap(bits, start, upwards, after, n_colors, size, masks)
    return ImageHeader(width, height, data=data, details=bitmap)


def _matches(data: bytes) -> bool:
    # "BM" also begins many texts: the length of the second header tells.
    return data[:2] == b"BM" and data[15:18] == b"\x00\x00\x00" and data[14:15] >= b"\x0c"


def _matches_dib(data: bytes) -> bool:
    """Return whether bytes begin with the header of a bitmap, without that of a file, as in a clipboard."""
    if len(data) < _USUAL or data[0] not in _LENGTHS or data[1:4] != b"\0\0\0":
        return False
    planes, bits, compression = struct.unpack_from("<HHI", data, 12)
    return planes == 1 and bits in _BITS and compression <= _ALPHA_BITFIELDS


def _inspect_dib(data: bytes) -> ImageHeader:
    length, bits, compression, n_colors = (
        *struct.unpack_from("<I", data),
        *struct.unpack_from("<HI", data, 14),
        *struct.unpack_from("<I", data, 32),
    )
    masks = {_BITFIELDS: 12, _ALPHA_BITFIELDS: 16}.get(compression, 0) if length < _WITH_MASKS else 0
    palette = 4 * min(n_colors or 1 << bits, 1 << bits) if bits <= 8 else 0
    start = _FILE + length + masks + palette
    return _inspect(b"BM" + struct.pack("<IHHI", _FILE + len(data), 0, 0, start) + data)


FORMAT = ImageFormat("BMP", _matches, _inspect, "bmp")
DIB = ImageFormat("BMP", _matches_dib, _inspect_dib, "bmp")
