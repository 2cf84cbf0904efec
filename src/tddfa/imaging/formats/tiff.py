"""TIFF: the main page's size, orientation and kind of samples.

Source: TIFF 6.0; BigTIFF as libtiff writes it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import partial

from tddfa.dataclass import dataclass
from tddfa.imaging.formats.header import (
    DamagedImageError,
    ImageFormat,
    ImageHeader,
    PackedSamples,
    Samples,
    UnreadableImageError,
    starts_with,
)

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 6: 1, 7: 1, 8: 2, 9: 4, 13: 4, 16: 8, 17: 8, 18: 8}
_LETTERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_UNDEFINED = 7  # a type of values: bytes that the tag gives a meaning
_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_FILL_ORDER, _OFFSETS, _ORIENTATION, _SAMPLES, _ROWS, _COUNTS, _PLANES = 266, 273, 274, 277, 278, 279, 284
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_COUNTS = 322, 323, 324, 325
_PREDICTOR, _COLORMAP, _EXTRA_SAMPLES, _FORMAT_OF_SAMPLES = 317, 320, 338, 339
_SUBSAMPLING, _PROFILE, _DNG = 530, 34675, 50706
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6  # colours
_UNSIGNED, _FLOATS = 1, 3  # types of samples
_FLOAT_PREDICTOR = 3
_CFA, _LINEAR_RAW = 32803, 34892  # those of camera raw files
_UNASSOCIATED, _ASSOCIATED = 2, 1  # extra samples: alpha whose colours are not multiplied by it, and are
_REDUCED, _MASK = 1, 4  # bits of _SUBFILE
_READ = (
    *(_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER, _OFFSETS, _ORIENTATION),
    *(_SAMPLES, _ROWS, _COUNTS, _PLANES, _TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_COUNTS),
    *(_PREDICTOR, _COLORMAP, _EXTRA_SAMPLES, _FORMAT_OF_SAMPLES, _PROFILE, _DNG),
)
# Compressions that libtiff decodes in every build of OpenCV: none, CCITT, LZW, JPEG, Deflate, PackBits,
# ThunderScan, NeXT and LogLuv. Any other gives a black image, or none.
_READABLE = {1, 2, 3, 4, 5, 7, 8, 32766, 32771, 32773, 32809, 32946, 34676, 34677}
# Compressions that libtiff decodes in some builds (OpenCV 5.1 reads WebP, 5.0 does not), or in some files.
_OPTIONAL = {
    6: "old-style JPEG",
    34661: "JBIG",
    34887: "LERC",
    34925: "LZMA",
    50000: "Zstandard",
    50001: "WebP",
}
_UNREADABLE = {
    **{9: "JBIG", 10: "JBIG", 33003: "JPEG 2000", 33004: "JPEG 2000", 33005: "JPEG 2000"},
    **{34712: "JPEG 2000", 22610: "JPEG XR", 34934: "JPEG XR", 50002: "JPEG XL", 52546: "JPEG XL"},
}
_JPEG = 7
_PROBED = (5, 8, 32773, 32946)  # LZW, Deflate, PackBits
# Compressions of samples that could be stored without one: others have layouts of their own.
_OF_ANY_LAYOUT = (1, _JPEG, *_PROBED)
_COLORS = {
    **{0: "grey", 1: "grey", 2: "RGB", 3: "palette", 4: "mask", 5: "CMYK", 6: "YCbCr", 8: "CIE L*a*b*"},
    **{9: "ICC L*a*b*", 10: "ITU L*a*b*", 32844: "LogL", 32845: "LogLuv"},
}
_TYPES = {
    **{1: "integers", 2: "signed integers", 3: "floats", 4: "samples of no type"},
    **{5: "complex integers", 6: "complex floats"},
}
_MOST_SHOWN = 6  # channels whose bits are told
_BLANK_SIDE = 16  # px
_MAX_BLANK = 1 << 20  # bytes
_MOST_PLANES = 4  # channels that are taken one by one: RGB or grey, with and without alpha
_MAX_PAGES = 64  # of which the first in full resolution is looked for
_RAW = "a camera raw file; develop it to JPEG or PNG first"
# OpenCV unpacks samples of these bits from rows that end with a whole byte.
_PROBE_BITS = (16, 14, 12, 10)
_PACKED_BITS = frozenset(range(1, 16)) - {8}  # of samples that are unpacked here where OpenCV does not
_MAX_PROBE_WIDTH = 1 << 20  # of an image that OpenCV decodes
_MAX_VALUES = 1 << 22  # strips or tiles of a page


@dataclass(frozen=True, slots=True)
class _Tag:
    """A tag's values, where the first of them lies in the file, and its entry in the directory."""

    values: tuple[int, ...]
    offset: int
    entry: bytes


def unreadable_compression(name: str) -> str:
    """Return what an image of a compression that is not read is, and what to do."""
    return f"a TIFF with {name} compression, which cannot be read; save it with LZW or Deflate"


def _inspect(data: bytes) -> ImageHeader:
    order = "<" if data[:2] == b"II" else ">"
    try:
        page, tags = _main_page(data, order)
    except struct.error:
        raise DamagedImageError("a damaged or truncated TIFF file: its directory is cut short") from None

    def first(tag: int, otherwise: int) -> int:
        return _first(tags, tag, otherwise)

    if data[8:10] == b"CR" or first(_PHOTOMETRIC, 0) in (_CFA, _LINEAR_RAW):
        raise UnreadableImageError(_RAW)
    compression = first(_COMPRESSION, 1)
    if compression not in _READABLE and compression not in _OPTIONAL:
        name = _UNREADABLE.get(compression, f"an unknown ({compression})")
        raise UnreadableImageError(unreadable_compression(name))
    width, height = first(_WIDTH, 0), first(_HEIGHT, 0)
    if width < 1 or height < 1:
        raise DamagedImageError("a damaged or truncated TIFF file: it gives no size")
    # Tiles are decoded one by one, each into memory of its own.
    tile = first(_TILE_WIDTH, 1) * first(_TILE_HEIGHT, 1)
    if tile > max(4 * width * height, 1 << 20):
        raise DamagedImageError("a damaged TIFF file: its tiles are larger than the image")
    starts = tags.get(_OFFSETS) or tags.get(_TILE_OFFSETS)
    counts = tags.get(_COUNTS) or tags.get(_TILE_COUNTS)
    if starts is None:
        raise DamagedImageError("a damaged or truncated TIFF file: it holds no image")
    lengths = counts.values if counts is not None else (0,) * len(starts.values)
    if any(a + n > len(data) for a, n in zip(starts.values, lengths, strict=False)):
        raise DamagedImageError("a truncated TIFF file: its end is missing; copy or download it again")
    bits = first(_BITS, 1)
    rare = "12-bit JPEG" if (compression, bits) == (_JPEG, 12) else _OPTIONAL.get(compression, "")
    samples = Samples(
        first(_FORMAT_OF_SAMPLES, 1),
        bits,
        rare,
        _probe(data, order, tags),
        _strip_rows(tags),
        _layout(tags),
        white_is_zero=first(_PHOTOMETRIC, _BLACK_IS_ZERO) == _WHITE_IS_ZERO,
        planes=_planes(data, order, tags),
        inks=_has_inks(tags),
        halves=_has_halves(tags),
        packed=_packed(data, order, tags),
        unreadable=first(_FORMAT_OF_SAMPLES, _UNSIGNED) != _UNSIGNED
        and (
            first(_PHOTOMETRIC, _BLACK_IS_ZERO) > _RGB
            or (_is_grey_with_alpha(tags) and (first(_FORMAT_OF_SAMPLES, 1), bits) == (_FLOATS, 16))
        )
        and compression in _OF_ANY_LAYOUT,
        blank=partial(_blank, tags)
        if compression in _OF_ANY_LAYOUT and bits > 0 and first(_SAMPLES, 1) > 0
        else None,
    )
    return ImageHeader(
        width,
        height,
        first(_ORIENTATION, 1),
        _patched(data, order, page, tags),
        details=samples,
        profile=_profile(data, tags),
    )


def _profile(data: bytes, tags: dict[int, _Tag]) -> bytes:
    """Return the colour profile of a page; nothing where it has none."""
    if _PROFILE not in tags:
        return b""
    tag = tags[_PROFILE]
    return data[tag.offset : tag.offset + len(tag.values)]


def _has_inks(tags: dict[int, _Tag]) -> bool:
    """Return whether a page is CMYK of 16 bits, which OpenCV reads as RGB with alpha alone."""
    layout = tuple(_first(tags, tag, n) for tag, n in ((_PHOTOMETRIC, -1), (_SAMPLES, 1), (_BITS, 1)))
    whole = _first(tags, _FORMAT_OF_SAMPLES, _UNSIGNED) == _UNSIGNED
    return layout == (_CMYK, 4, 16) and whole and len(_different(tags, _BITS)) == 1


def _has_halves(tags: dict[int, _Tag]) -> bool:
    """Return whether a page has floats of 16 bits, which OpenCV reads as integers alone.

    With the predictor of floats, libtiff decompresses them as no other type.
    """
    if _is_grey_with_alpha(tags):  # of integers, OpenCV returns the upper 8 bits
        return False
    if len(_different(tags, _BITS)) > 1 or len(_different(tags, _FORMAT_OF_SAMPLES)) > 1:
        return False
    kind = (_first(tags, _FORMAT_OF_SAMPLES, _UNSIGNED), _first(tags, _BITS, 1))
    return kind == (_FLOATS, 16) and _first(tags, _PREDICTOR, 1) != _FLOAT_PREDICTOR


def _is_grey_with_alpha(tags: dict[int, _Tag]) -> bool:
    return _first(tags, _SAMPLES, 1) == 2 and _first(tags, _PLANES, 1) == 1


def _first(tags: dict[int, _Tag], tag: int, otherwise: int) -> int:
    return tags[tag].values[0] if tag in tags and tags[tag].values else otherwise


def _patched(data: bytes, order: str, page: int, tags: dict[int, _Tag]) -> bytes:
    """Return the file with what OpenCV reads in another way than this package."""
    patches: list[tuple[str, int, int]] = []

    def replace(tag: int, value: int) -> None:
        (kind,) = struct.unpack_from(order + "H", tags[tag].entry, 2)
        for k in range(len(tags[tag].values) if tag == _FORMAT_OF_SAMPLES else 1):
            patches.append((_LETTERS[kind], tags[tag].offset + k * _SIZES[kind], value))

    if _first(tags, _ORIENTATION, 1) != 1:
        # Versions of OpenCV differ in whether they apply it: they get images that are said to be upright.
        replace(_ORIENTATION, 1)
    if _first(tags, _EXTRA_SAMPLES, 0) == _UNASSOCIATED:
        # libtiff multiplies the colours by their alpha unless that is said to be done.
        replace(_EXTRA_SAMPLES, _ASSOCIATED)
    if _first(tags, _PHOTOMETRIC, _BLACK_IS_ZERO) == _WHITE_IS_ZERO:
        # OpenCV inverts such samples of 1, 8 and most of 16 bits, and no others.
        replace(_PHOTOMETRIC, _BLACK_IS_ZERO)
    if _has_inks(tags):
        replace(_PHOTOMETRIC, _RGB)
    if _has_halves(tags):
        replace(_FORMAT_OF_SAMPLES, _UNSIGNED)
    word, at = _first_page(data)
    if struct.unpack_from(order + word, data, at) != (page,):
        patches.append((word, at, page))
    if not patches:
        return data
    out = bytearray(data)
    for letter, where, value in patches:
        struct.pack_into(order + letter, out, where, value)
    return bytes(out)


def _strip_rows(tags: dict[int, _Tag]) -> int:
    """Return the rows of a strip when samples of 0 are black; 0 when they are not, or for tiles."""
    if _TILE_OFFSETS in tags or _first(tags, _PHOTOMETRIC, 0) not in (_BLACK_IS_ZERO, _RGB):
        return 0
    return max(min(_first(tags, _ROWS, _first(tags, _HEIGHT, 0)), _first(tags, _HEIGHT, 0)), 0)


def _probe(data: bytes, order: str, tags: dict[int, _Tag]) -> Callable[[], bytes] | None:
    """Return what makes a grey TIFF of the same compressed bytes; None when there is none.

    Its samples have more than 8 bits, and its rows have the same number of bytes: the decoder has to
    decompress the same, and reports where it cannot. Rows of 3 % of the odd widths of grey images and
    palettes have a number of bytes that no such samples fill.
    """
    offsets, counts = (_TILE_OFFSETS, _TILE_COUNTS) if _TILE_OFFSETS in tags else (_OFFSETS, _COUNTS)
    planes = _first(tags, _SAMPLES, 1) > 1 and _first(tags, _PLANES, 1) != 1
    if _first(tags, _COMPRESSION, 1) not in _PROBED or planes or counts not in tags:
        return None
    if _first(tags, _PHOTOMETRIC, 0) == _YCBCR:  # its strips may have fewer samples of colour
        return None
    width, across, tile = _first(tags, _WIDTH, 0), 1, _first(tags, _TILE_WIDTH, 0)
    if offsets == _TILE_OFFSETS:
        if not tile:
            return None
        width, across = tile, -(-width // tile)
    n_bytes = -(-width * _first(tags, _SAMPLES, 1) * _first(tags, _BITS, 1) // 8)
    bits = next((b for b in _PROBE_BITS if -(-(8 * n_bytes // b) * b // 8) == n_bytes), 0)
    if not bits or across * (8 * n_bytes // bits) > _MAX_PROBE_WIDTH:
        return None
    values = {
        _WIDTH: across * (8 * n_bytes // bits),
        _HEIGHT: _first(tags, _HEIGHT, 0),
        _BITS: bits,
        _COMPRESSION: _first(tags, _COMPRESSION, 1),
        _PHOTOMETRIC: _BLACK_IS_ZERO,
        _FILL_ORDER: _first(tags, _FILL_ORDER, 1),
        _SAMPLES: 1,
        **({_TILE_WIDTH: 8 * n_bytes // bits} if offsets == _TILE_OFFSETS else {}),
    }
    copied = {tag: tags[tag].entry for tag in (_ROWS, _TILE_HEIGHT, offsets, counts) if tag in tags}
    return partial(_with_directory, data, order, values, copied)


def _packed(data: bytes, order: str, tags: dict[int, _Tag]) -> PackedSamples | None:
    """Return how to read grey, RGB and palettes of any number of bits: OpenCV decompresses their bytes."""
    n, bits = _first(tags, _SAMPLES, 1), _first(tags, _BITS, 1)
    color = _first(tags, _PHOTOMETRIC, _BLACK_IS_ZERO)
    differ = len(_different(tags, _BITS)) > 1
    plain = _first(tags, _FORMAT_OF_SAMPLES, _UNSIGNED) == _UNSIGNED and _first(tags, _PREDICTOR, 1) == 1
    compression = _first(tags, _COMPRESSION, 1)
    if (
        not plain
        or differ
        or bits not in _PACKED_BITS
        or color > _PALETTE
        or compression not in (1, *_PROBED)
    ):
        return None
    if not 1 <= n <= _MOST_PLANES or (color == _RGB and n < 3) or (n > 1 and _first(tags, _PLANES, 1) != 1):
        return None
    palette = tags[_COLORMAP].values if color == _PALETTE and _COLORMAP in tags else ()
    if color == _PALETTE and len(palette) != 3 << bits:
        return None
    tiles = _TILE_OFFSETS in tags
    width = max(_first(tags, _TILE_WIDTH, 0), 1) if tiles else _first(tags, _WIDTH, 0)
    n_tiles = -(-_first(tags, _WIDTH, 0) // width)
    n_bytes = -(-width * n * bits // 8)
    if n_tiles * n_bytes > _MAX_PROBE_WIDTH:
        return None
    values = {
        _WIDTH: n_tiles * n_bytes,
        _HEIGHT: _first(tags, _HEIGHT, 0),
        _BITS: 8,
        _COMPRESSION: compression,
        _PHOTOMETRIC: _BLACK_IS_ZERO,
        _FILL_ORDER: _first(tags, _FILL_ORDER, 1),
        _SAMPLES: 1,
        **({_TILE_WIDTH: n_bytes} if tiles else {}),
    }
    offsets, counts = (_TILE_OFFSETS, _TILE_COUNTS) if tiles else (_OFFSETS, _COUNTS)
    copied = {tag: tags[tag].entry for tag in (_ROWS, _TILE_HEIGHT, offsets, counts) if tag in tags}
    return PackedSamples(partial(_with_directory, data, order, values, copied), n_tiles, width, n, palette)


def _planes(data: bytes, order: str, tags: dict[int, _Tag]) -> tuple[Callable[[], bytes], ...]:
    """Return what makes a grey TIFF of each channel of grey, RGB or CMYK, where OpenCV does not join them.

    It does so for channels of 8 bits. Of others, as NumPy arrays of three planes are stored, it returns
    memory that nothing was written to.
    """
    n, color = _first(tags, _SAMPLES, 1), _first(tags, _PHOTOMETRIC, _BLACK_IS_ZERO)
    inks = _has_inks(tags)
    shown = 4 if inks else 3 if color == _RGB else 1
    together = n == 1 or _first(tags, _PLANES, 1) != 2
    plain = (_first(tags, _FORMAT_OF_SAMPLES, _UNSIGNED), _first(tags, _BITS, 1)) == (_UNSIGNED, 8)
    differ = len(_different(tags, _BITS)) > 1 or len(_different(tags, _FORMAT_OF_SAMPLES)) > 1
    if together or plain or differ or (color > _RGB and not inks) or not shown <= n <= _MOST_PLANES:
        return ()
    return tuple(partial(_plane, data, order, tags, k) for k in range(shown))


def _plane(data: bytes, order: str, tags: dict[int, _Tag], k: int) -> bytes:
    """Return a grey TIFF of one channel of a page whose channels lie one after the other.

    Raises:
        DamagedImageError: the page does not say where it lies.
    """
    offsets, counts = (_TILE_OFFSETS, _TILE_COUNTS) if _TILE_OFFSETS in tags else (_OFFSETS, _COUNTS)
    tiff, copied = data, dict[int, bytes]()
    for tag in (offsets, counts):
        values = tags[tag].values if tag in tags else ()
        m = len(values) // _first(tags, _SAMPLES, 1)
        if m == 0:
            raise DamagedImageError("a damaged or truncated TIFF file: a channel is missing")
        tiff, copied[tag] = _with_values(tiff, order, tag, values[k * m : (k + 1) * m])
    kept = (_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _FILL_ORDER, _ROWS, _TILE_WIDTH, _TILE_HEIGHT, _PREDICTOR)
    numbers = {tag: _first(tags, tag, 0) for tag in (*kept, _FORMAT_OF_SAMPLES) if tag in tags}
    if _has_halves(tags):
        numbers[_FORMAT_OF_SAMPLES] = _UNSIGNED
    return _with_directory(tiff, order, numbers | {_PHOTOMETRIC: _BLACK_IS_ZERO, _SAMPLES: 1}, copied)


def _with_values(data: bytes, order: str, tag: int, values: Sequence[int]) -> tuple[bytes, bytes]:
    """Return the file with 32-bit values at its end, and a directory's entry that leads to them."""
    word, _ = _first_page(data)
    body = struct.pack(f"{order}{len(values)}I", *(value & 0xFFFFFFFF for value in values))
    if len(body) > struct.calcsize(order + word):
        data += bytes(len(data) % 2)
        data, body = data + body, struct.pack(order + word, len(data))
    return data, struct.pack(order + "HH" + word, tag, 4, len(values)) + body.ljust(
        struct.calcsize(order + word), b"\0"
    )


def _layout(tags: dict[int, _Tag]) -> str:
    """Return what the samples of a page are, for messages: "4 channels (CMYK) of 16-bit integers"."""
    n, color = _first(tags, _SAMPLES, 1), _first(tags, _PHOTOMETRIC, _BLACK_IS_ZERO)
    channels = "1 channel" if n == 1 else f"{n} channels"
    differing = _different(tags, _BITS)
    bits = "/".join(map(str, differing[:_MOST_SHOWN])) + ("/…" if len(differing) > _MOST_SHOWN else "")
    kinds = _different(tags, _FORMAT_OF_SAMPLES)
    types = " and ".join(_TYPES.get(kind, f"samples of type {kind}") for kind in dict.fromkeys(kinds))
    text = f"{channels} ({_COLORS.get(color, f'colours of number {color}')}) of {bits}-bit {types}"
    if _TILE_OFFSETS not in tags:
        return text
    return f"{text} in tiles of {_first(tags, _TILE_WIDTH, 0)} × {_first(tags, _TILE_HEIGHT, 0)} px"


def _different(tags: dict[int, _Tag], tag: int) -> tuple[int, ...]:
    """Return the values of a tag with one for each channel, if they differ; else that of all."""
    values = tags[tag].values if tag in tags else ()
    n = _first(tags, _SAMPLES, 1)
    return values[:n] if len(set(values[:n])) > 1 else values[:1] or (1,)


def _blank(tags: dict[int, _Tag]) -> bytes:
    """Return a small black TIFF whose samples lie as those of a page, without compression.

    It is empty where channels differ in bits or type, or are too many: no decoder reads that.
    """
    n, bits, color = _first(tags, _SAMPLES, 1), _first(tags, _BITS, 1), _first(tags, _PHOTOMETRIC, 1)
    color = _RGB if _has_inks(tags) else color
    kind = _UNSIGNED if _has_halves(tags) else _first(tags, _FORMAT_OF_SAMPLES, 1)
    width = height = _BLANK_SIDE
    if _TILE_OFFSETS in tags:  # decoders may read large tiles and no small ones
        width, height = (min(_first(tags, side, 0), 4 * width) for side in (_TILE_WIDTH, _TILE_HEIGHT))
    n_planes = n if _first(tags, _PLANES, 1) == 2 else 1
    size = height * -(-width * bits * (n // max(n_planes, 1)) // 8)
    differ = len(_different(tags, _BITS)) > 1 or len(_different(tags, _FORMAT_OF_SAMPLES)) > 1
    if differ or not 0 < n_planes * size <= _MAX_BLANK:
        return b""
    data = b"II*\0" + bytes(4 + size)

    def added(tag: int, kind: int, values: Sequence[int]) -> bytes:
        nonlocal data
        start, letter = len(data), _LETTERS[kind]
        if len(values) * _SIZES[kind] > 4:
            data += struct.pack(f"<{len(values)}{letter}", *values)
            return struct.pack("<HHII", tag, kind, len(values), start)
        return struct.pack(f"<HHI{len(values)}{letter}", tag, kind, len(values), *values).ljust(12, b"\0")

    values = {
        **{_WIDTH: width, _HEIGHT: height, _COMPRESSION: 1, _PHOTOMETRIC: color, _SAMPLES: n, _BITS: bits},
        **{_PLANES: _first(tags, _PLANES, 1), _FORMAT_OF_SAMPLES: kind},
    }
    if _TILE_OFFSETS in tags:
        values |= {_TILE_WIDTH: width, _TILE_HEIGHT: height}
        offsets, counts = _TILE_OFFSETS, _TILE_COUNTS
    else:
        values[_ROWS] = height
        offsets, counts = _OFFSETS, _COUNTS
    # All channels lie in the same place.
    copied = {offsets: added(offsets, 4, [8] * n_planes), counts: added(counts, 4, [size] * n_planes)}
    if color == _PALETTE:
        copied[_COLORMAP] = added(_COLORMAP, 3, [0] * (3 << min(bits, 16)))
    elif color == _YCBCR:
        copied[_SUBSAMPLING] = added(_SUBSAMPLING, 3, [1, 1])
    return _with_directory(data, "<", values, copied)


def _with_directory(data: bytes, order: str, values: dict[int, int], copied: dict[int, bytes]) -> bytes:
    """Return a TIFF with one more directory, as its first.

    Args:
        data: the file.
        order: of its bytes, as `struct` writes it.
        values: of tags, of which 32 bits are stored; damaged files may have others.
        copied: entries of tags, as directories of the file hold them.
    """
    word, at = _first_page(data)
    entry = order + "HH" + word
    width = struct.calcsize(order + word)
    entries = copied | {
        tag: struct.pack(entry, tag, 4, 1) + struct.pack(order + "I", value & 0xFFFFFFFF).ljust(width, b"\0")
        for tag, value in values.items()
    }
    start = len(data) + len(data) % 2
    number = struct.pack(order + ("Q" if word == "Q" else "H"), len(entries))
    directory = number + b"".join(entries[tag] for tag in sorted(entries)) + bytes(width)
    head = data[:at] + struct.pack(order + word, start)
    return b"".join((head, data[len(head) :], bytes(start - len(data)), directory))


def _first_page(data: bytes) -> tuple[str, int]:
    """Return the format of an offset in the file, and where that of the first page lies."""
    return ("Q", 8) if data[2:4] in (b"+\x00", b"\x00+") else ("I", 4)


def _main_page(data: bytes, order: str) -> tuple[int, dict[int, _Tag]]:
    """Return where the directory of the first page in full resolution lies, and its tags.

    Some programs store a thumbnail before the image. A file of thumbnails alone gives the first.
    """
    word, at = _first_page(data)
    (start,) = struct.unpack_from(order + word, data, at)
    pages: dict[int, dict[int, _Tag]] = {}
    while start and start not in pages and len(pages) < _MAX_PAGES:
        tags, following = _tags(data, order, start)
        if _DNG in tags:
            raise UnreadableImageError(_RAW)
        if not _first(tags, _SUBFILE, 0) & (_REDUCED | _MASK):
            return start, tags
        pages[start], start = tags, following
    if not pages:
        raise struct.error
    return next(iter(pages.items()))


def _tags(data: bytes, order: str, start: int) -> tuple[dict[int, _Tag], int]:
    """Return the tags of a directory that are needed here, and where the next directory lies."""
    word, _ = _first_page(data)
    entry, inline = (20, 8) if word == "Q" else (12, 4)
    (n,) = struct.unpack_from(order + ("Q" if word == "Q" else "H"), data, start)
    first = start + (8 if word == "Q" else 2)
    if n * entry > len(data) - first:
        raise struct.error
    out: dict[int, _Tag] = {}
    for at in range(first, first + n * entry, entry):
        tag, kind, count = struct.unpack_from(order + "HH" + word, data, at)
        kind = 1 if tag == _PROFILE and kind == _UNDEFINED else kind
        if tag not in _READ or kind not in _LETTERS or count > _MAX_VALUES:
            continue
        where = at + entry - inline
        if count * _SIZES[kind] > inline:
            (where,) = struct.unpack_from(order + word, data, where)
        if tag == _PROFILE and where + count > len(data):  # an image is read without it
            continue
        values = struct.unpack_from(f"{order}{count}{_LETTERS[kind]}", data, where)
        out[tag] = _Tag(values, where, data[at : at + entry])
    after = data[first + n * entry : first + n * entry + inline]  # some writers leave it out
    return out, struct.unpack(order + word, after)[0] if len(after) == inline else 0


FORMAT = ImageFormat("TIFF", starts_with(b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"), _inspect, "tiff")
