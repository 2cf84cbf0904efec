"""What is known of an image before it is decoded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


class DamagedImageError(Exception):
    """The bytes break the rules of their format; the text completes "NAME is …"."""


class UnreadableImageError(Exception):
    """The bytes are whole, but no decoder here reads this kind; the text completes "NAME is …"."""


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Size and orientation of an image file.

    Attributes:
        width: of the stored image, px.
        height: of the stored image, px.
        orientation: EXIF's number of how it is shown, 1 to 8.
        data: the bytes to decode: the image alone, without what follows it and without metadata that the
            decoder complains about.
        details: what the format's own decoder needs.
    """

    width: int
    height: int
    orientation: int = 1
    data: bytes | memoryview = b""
    details: Any = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Samples:
    """How the samples of an image are stored.

    Attributes:
        kind: 1 unsigned integers, 2 signed integers, 3 floats, as TIFF numbers them.
        bits: of a sample.
        compression: name of a compression that only some builds of the decoder read; empty otherwise.
        probe: a TIFF of the same compressed bytes whose decoding fails where they are damaged; None when
            there is none.
        strip_rows: rows of a strip whose end is black where it is damaged; 0 when damage may look otherwise.
        layout: what they are, for messages.
        blank: makes a small whole TIFF of this layout, which a decoder reads if it reads the layout at all;
            None when there is none, empty when no decoder reads the layout.
    """

    kind: int = 1
    bits: int = 8
    compression: str = ""
    probe: Callable[[], bytes] | None = field(default=None, repr=False)
    strip_rows: int = 0
    layout: str = ""
    blank: Callable[[], bytes] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ImageFormat:
    """One image file format.

    Attributes:
        name: for messages.
        matches: whether bytes begin as files of this format do.
        inspect: reads size and orientation. Raises `DamagedImageError` or `UnreadableImageError`.
        decode: name of the decoder in `tddfa.imaging.decoders`.
    """

    name: str
    matches: Callable[[bytes], bool]
    inspect: Callable[[bytes], ImageHeader]
    decode: str = "color"


def starts_with(*signatures: bytes) -> Callable[[bytes], bool]:
    """Return a test for files that begin with one of the signatures."""
    return lambda data: data.startswith(signatures)
