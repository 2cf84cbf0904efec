"""The orientation in EXIF data and in XMP."""

from __future__ import annotations

import re
import struct

_ORIENTATION = 0x0112
_LETTERS = {1: "B", 3: "H", 4: "I"}  # of its types; EXIF has 3
# As an attribute or an element. Source: XMP specification, part 2, TIFF schema.
_XMP = re.compile(rb"tiff:Orientation(?:\s*=\s*[\"']|>)\s*([1-8])\b")


def exif_orientation(tiff: bytes) -> int | None:
    """Return the orientation (1 to 8) in the TIFF structure of EXIF data; None when it says none.

    Args:
        tiff: begins with "II" or "MM"; the name "Exif" before it is skipped.
    """
    if tiff.startswith(b"Exif\x00"):
        tiff = tiff[6:]
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return None
    try:
        (start,) = struct.unpack_from(order + "I", tiff, 4)
        (n,) = struct.unpack_from(order + "H", tiff, start)
        for at in range(start + 2, start + 2 + 12 * n, 12):
            tag, kind, count = struct.unpack_from(order + "HHI", tiff, at)
            if tag == _ORIENTATION and kind in _LETTERS and count == 1:
                (value,) = struct.unpack_from(order + _LETTERS[kind], tiff, at + 8)
                return value if 1 <= value <= 8 else None
    except struct.error:  # it points outside of itself: metadata is no reason to refuse an image
        pass
    return None


def xmp_orientation(xmp: bytes) -> int | None:
    """Return the orientation (1 to 8) in XMP, which counts where EXIF says none; None when it says none."""
    found = _XMP.search(xmp)
    return None if found is None else int(found[1])
