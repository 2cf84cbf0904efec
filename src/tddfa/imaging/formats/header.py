"""What is known of an image before it is decoded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Any

from tddfa.dataclass import dataclass

MAX_PROFILE_BYTES = 1 << 22
"""Largest colour profile that is read: those with a matrix take some kilobytes."""


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
        profile: the ICC profile of the colours that the decoder returns; empty where there is none.
    """

    width: int
    height: int
    orientation: int = 1
    data: bytes | memoryview = b""
    details: Any = field(default=None, repr=False)
    profile: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class PackedSamples:
    """Samples that the decoder does not unpack, as the bytes of another image.

    Attributes:
        bytes_as_grey: makes a grey TIFF of 8 bits whose pixels are the bytes of the rows.
        n_tiles: tiles in a row; 1 for strips.
        width: of a tile or of the image, px.
        n_channels: of a pixel.
        palette: 16-bit red of all colours, then green, then blue; empty without a palette.
    """

    bytes_as_grey: Callable[[], bytes] = field(repr=False)
    n_tiles: int
    width: int
    n_channels: int
    palette: tuple[int, ...] = field(repr=False)


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
        white_is_zero: whether 0 is white and the largest value black; the decoder is given such samples as
            if 0 were black.
        planes: make a grey TIFF of each channel whose samples the decoder does not join; empty for channels
            that lie together.
        inks: whether channels of cyan, magenta, yellow and black are given to the decoder as RGB and alpha.
        halves: whether floats of 16 bits are given to the decoder as integers.
        packed: the samples of a layout that the decoder may not read; None where there is no other way.
        unreadable: whether no decoder reads samples of this type as these colours.
        blank: makes a small whole TIFF of this layout, which a decoder reads if it reads the layout at all;
            None when there is none, empty when no decoder reads the layout.
    """

    kind: int = 1
    bits: int = 8
    compression: str = ""
    probe: Callable[[], bytes] | None = field(default=None, repr=False)
    strip_rows: int = 0
    layout: str = ""
    white_is_zero: bool = False
    planes: tuple[Callable[[], bytes], ...] = field(default=(), repr=False)
    inks: bool = False
    halves: bool = False
    packed: PackedSamples | None = None
    unreadable: bool = False
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
