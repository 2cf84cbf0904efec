"""Radiance HDR: the size, and the corner at which the pixels begin.

`details` of the header is where pixels begin that may be coded in runs of the old kind, bytes; 0 for others.

Source: Greg Ward, "Real Pixels", Graphics Gems II; the reference manual of Radiance, "File formats".
"""

from __future__ import annotations

import re

from tddfa.imaging.formats.header import (
    DamagedImageError,
    ImageFormat,
    ImageHeader,
    UnreadableImageError,
)

_NAME = "Radiance HDR"
_NEW_RUNS = b"\x02\x02"  # how a row begins that is coded as programs do since 1991
_MAX_HEADER = 1 << 16
_START = re.compile(rb"#\?[A-Za-z0-9_]+\r?\n")
_SIZE = re.compile(rb"\n\r?\n([-+][XY]) +(\d{1,9}) +([-+][XY]) +(\d{1,9})\r?\n")
# How the pixels follow each other → EXIF's number of the same order. -Y goes down, +X to the right.
_ORIENTATIONS = {
    (b"-Y", b"+X"): 1,
    (b"-Y", b"-X"): 2,
    (b"+Y", b"-X"): 3,
    (b"+Y", b"+X"): 4,
    (b"+X", b"-Y"): 5,
    (b"-X", b"-Y"): 6,
    (b"-X", b"+Y"): 7,
    (b"+X", b"+Y"): 8,
}


def _inspect(data: bytes) -> ImageHeader:
    found = _SIZE.search(data, 0, _MAX_HEADER)
    orientation = _ORIENTATIONS.get((found[1], found[3])) if found is not None else None
    if found is None or orientation is None:
        raise DamagedImageError(f"a damaged or truncated {_NAME} file: its header gives no size")
    height, width = int(found[2]), int(found[4])
    if not width or not height:
        raise DamagedImageError(f"a damaged or truncated {_NAME} file: its size is {width} × {height}")
    if b"FORMAT=32-bit_rle_xyze" in data[: found.start() + 1]:
        raise UnreadableImageError(
            f"a {_NAME} file of XYZ colours, which cannot be read; save it with RGB colours"
        )
    # OpenCV requires a line that names the format, and knows one order of the pixels.
    start = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y %d +X %d\n" % (height, width)
    pixels = data[found.end() :]
    old_runs = len(start) if pixels[:2] != _NEW_RUNS and len(pixels) < 4 * width * height else 0
    return ImageHeader(width, height, orientation, start + pixels, details=old_runs)


def _matches(data: bytes) -> bool:
    if data.startswith((b"#?RADIANCE", b"#?RGBE")):
        return True
    return _START.match(data) is not None and _SIZE.search(data, 0, _MAX_HEADER) is not None


FORMAT = ImageFormat(_NAME, _matches, _inspect, "light")
