"""JPEG 2000: the size and the channels in the codestream, and what the boxes around it call the channels.

Source: ITU-T T.800, annexes A and I; T.801, annex M (colour spaces).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tddfa.dataclass import dataclass
from tddfa.imaging.formats.header import DamagedImageError, ImageFormat, ImageHeader, starts_with

_BOXES = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
_CODESTREAM = b"\xff\x4f\xff\x51"  # start of codestream, then the size marker
_CMYK, _GREY, _SYCC = 12, 17, 18  # colour spaces


@dataclass(frozen=True, slots=True)
class Channels:
    """How the samples of an image are stored.

    Attributes:
        white: the largest value of a sample.
        cmyk: whether the channels are inks.
        ycc: whether the channels are luma and two differences of colour.
        rare: what makes the image one that a decoder may not read, for messages; empty for a usual one.
    """

    white: int
    cmyk: bool
    ycc: bool
    rare: str


def _inspect(data: bytes) -> ImageHeader:
    at = data.find(_CODESTREAM, 0, 1 << 20)
    try:
        x1, y1, x0, y0 = struct.unpack_from(">IIII", data, at + 8) if at >= 0 else (0, 0, 0, 0)
        (n,) = struct.unpack_from(">H", data, at + 40) if at >= 0 else (0,)
        samples = list(struct.iter_unpack("3B", data[at + 42 : at + 42 + 3 * n]))
    except struct.error:
        x1 = y1 = x0 = y0 = n = 0
        samples = []
    if x1 <= x0 or y1 <= y0 or not n or len(samples) != n:
        raise DamagedImageError("a damaged or truncated JPEG 2000 file: it gives no size")
    bits = [(depth & 127) + 1 for depth, _, _ in samples]
    # Channels may have fewer samples than their common grid has points; the image is as large as the largest.
    across, down = (min(max(sample[k], 1) for sample in samples) for k in (1, 2))
    width, height = -(-x1 // across) + (-x0 // across), -(-y1 // down) + (-y0 // down)
    if width < 1 or height < 1:
        raise DamagedImageError("a damaged or truncated JPEG 2000 file: it gives no size")
    space = _color_space(data[:at])
    cmyk, ycc = n == 4 and space == _CMYK, n in (3, 4) and space == _SYCC
    channels = Channels((1 << bits[0]) - 1, cmyk, ycc, _rare(samples, bits, (x0, y0)))
    whole: bytes | memoryview = data
    if cmyk or ycc:
        # OpenCV refuses inks, and takes luma and differences for those of analogue video. Without the boxes
        # it returns the samples as they are stored.
        whole = memoryview(data)[at:]
    elif at == 0 and n <= 2:
        whole = _named_grey(data, width, height, n, bits[0])
    return ImageHeader(width, height, data=whole, details=channels)


def _rare(samples: list[tuple[int, ...]], bits: list[int], start: tuple[int, int]) -> str:
    if len(samples) > 4:
        return f"with {len(samples)} channels"
    if any(depth & 128 for depth, _, _ in samples):
        return "of signed samples"
    if len({*bits}) > 1 or not 8 <= bits[0] <= 16:
        return f"of {'/'.join(map(str, dict.fromkeys(bits)))}-bit samples"
    if any((across, down) != (1, 1) for _, across, down in samples):
        return "with subsampled channels"
    return f"whose upper left corner is {start}" if start != (0, 0) else ""


def _color_space(data: bytes) -> int:
    """Return the number of the colour space that the boxes before the codestream name; 0 for none."""
    for kind, body in _boxes(data):
        if kind == b"jp2h":
            for inner, color in _boxes(body):
                if inner == b"colr" and color[:1] == b"\x01" and len(color) >= 7:
                    return int.from_bytes(color[3:7], "big")
                if inner == b"colr" and color[:1] == b"\x02" and color[19:23] == b"CMYK":  # of an ICC profile
                    return _CMYK
    return 0


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1 and at + 16 <= len(data):
            (size,) = struct.unpack_from(">Q", data, at + 8)
            head = 16
        if size == 0:
            size = len(data) - at
        if size < head:
            return
        yield kind, data[at + head : at + size]
        at += size


def _named_grey(data: bytes, width: int, height: int, n: int, bits: int) -> bytes:
    """Return a codestream in boxes that call its channels grey: OpenCV reads more than 8 bits only then."""

    def box(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I4s", 8 + len(body), kind) + body

    header = box(b"ihdr", struct.pack(">IIHBBBB", height, width, n, bits - 1, 7, 0, 0))
    color = box(b"colr", struct.pack(">BBBI", 1, 0, 0, _GREY))
    kinds = box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
    return b"".join((_BOXES, kinds, box(b"jp2h", header + color), box(b"jp2c", data)))


FORMAT = ImageFormat("JPEG 2000", starts_with(_BOXES, _CODESTREAM), _inspect, "jpeg2000")
