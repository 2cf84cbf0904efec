"""Image file formats: recognise one by its first bytes, and learn its size before it is decoded.

A format is one entry of `FORMATS`. OpenCV decodes most of them; what it gets has been checked here first, so
that truncated files, absurd sizes and metadata that it cannot digest never reach it.
"""

from __future__ import annotations

from tddfa.imaging.format_names import IMAGE_SUFFIXES, READABLE, UNREADABLE
from tddfa.imaging.formats import bmp, heif, jpeg, jpeg2000, png, radiance, simple, tiff, webp
from tddfa.imaging.formats.header import (
    DamagedImageError,
    ImageFormat,
    ImageHeader,
    PackedSamples,
    Samples,
    UnreadableImageError,
)

__all__ = [
    "FORMATS",
    "IMAGE_SUFFIXES",
    "READABLE",
    "UNREADABLE",
    "DamagedImageError",
    "ImageFormat",
    "ImageHeader",
    "PackedSamples",
    "Samples",
    "UnreadableImageError",
    "identify",
]

FORMATS: tuple[ImageFormat, ...] = (
    jpeg.FORMAT,
    png.FORMAT,
    webp.FORMAT,
    heif.FORMAT,
    tiff.FORMAT,
    simple.GIF,
    bmp.FORMAT,
    bmp.DIB,
    jpeg2000.FORMAT,
    simple.PNM,
    simple.PFM,
    radiance.FORMAT,
    simple.SUN,
)


def identify(data: bytes) -> ImageFormat | None:
    """Return the format of a file's bytes; None when it is none of `FORMATS`."""
    return next((fmt for fmt in FORMATS if fmt.matches(data)), None)
