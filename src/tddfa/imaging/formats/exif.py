"""The orientation in EXIF data."""

from __future__ import annotations

import struct

_ORIENTATION = 0x0112
_SHORT = 3


def exif_orientation(tiff: bytes) -> int:
    """Return the orientation (1 to 8) in the TIFF structure of EXIF data; 1 when it says none.

    Args:
        tiff: begins with "II" or "MM"; the name "Exif" before it is skipped.
    """
    if tiff.startswith(b"Exif\x00"):
        tiff = tiff[6:]
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return 1
    try:
        (start,) = struct.unpack_from(order + "I", tiff, 4)
        (n,) = struct.unpack_from(order + "H", tiff, start)
        for at in range(start + 2, start + 2 + 12 * n, 12):
            tag, kind, count = struct.unpack_from(order + "HHI", tiff, at)
            if tag == _ORIENTATION and kind == _SHORT and count == 1:
                (value,) = struct.unpack_from(order + "H", tiff, at + 8)
                return value if 1 <= value <= 8 else 1
    except struct.error:  # it points outside of itself: metadata is no reason to refuse an image
        pass
    return 1
