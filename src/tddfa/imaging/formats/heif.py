"""HEIF: still images in the boxes of MP4, which is what HEIC and AVIF files are.

An image is an item: coded (HEVC, AV1, H.264, JPEG) or a grid of coded tiles. Its properties say how it is
turned, mirrored and cut. EXIF's orientation is not applied to it: the properties are the truth there. Source:
ISO/IEC 23008-12 (HEIF), ISO/IEC 14496-12 (boxes), AV1 Image File Format.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

from tddfa.dataclass import dataclass
from tddfa.imaging.formats.header import (
    DamagedImageError,
    ImageFormat,
    ImageHeader,
    UnreadableImageError,
)

_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1", b"avif", b"avis"}
)
# Kind of item → FFmpeg's decoder, and the property that configures it.
_CODECS = {
    b"hvc1": ("hevc", b"hvcC"),
    b"av01": ("av1", b"av1C"),
    b"avc1": ("h264", b"avcC"),
    b"jpeg": ("mjpeg", b""),
}
_TRUNCATED = "a damaged or truncated HEIF file"
_ADVICE = "save it as JPEG or PNG"
_MAX_TILES = 4096

Boxes = dict[bytes, memoryview]


@dataclass(frozen=True, slots=True)
class Tile:
    """A coded image.

    Attributes:
        codec: FFmpeg's name of its decoder.
        configuration: what the decoder needs first; b"" for none.
        data: the coded bytes.
    """

    codec: str
    configuration: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class HeifImage:
    """The image that a HEIF file shows.

    Attributes:
        tiles: row by row; one for an image that is not a grid.
        columns: tiles in a row.
        width: px, before it is cut and turned; 0 for the size of its only tile.
        height: px.
        steps: what is done to it, in order: ("turn", quarter turns counter-clockwise), ("mirror", axis: 0
            exchanges left and right, 1 top and bottom), ("crop", (x0, y0, x1, y1)).
        colors: primaries, transfer and matrix as numbered in ITU-T H.273, and whether values use the full
            range; None when only the coded data say so.
        profile: the ICC profile of its colours; empty where there is none.
    """

    tiles: tuple[Tile, ...]
    columns: int
    width: int
    height: int
    steps: tuple[tuple[str, int | tuple[int, int, int, int]], ...]
    colors: tuple[int, int, int, bool] | None
    profile: bytes


def _matches(data: bytes) -> bool:
    if data[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(data[:4], "big"), 512)
    # The major brand, and behind a version the compatible ones. QuickTime and MP4 videos name none of these
    # first; some image sequences do.
    brands = [data[8:12], *(data[k : k + 4] for k in range(16, end, 4))]
    return brands[0] in _BRANDS or (
        brands[0] not in (b"isom", b"qt  ", b"mp42") and bool(_BRANDS & {*brands})
    )


def _inspect(data: bytes) -> ImageHeader:
    try:
        image = _image(memoryview(data))
    except (struct.error, IndexError, KeyError, RecursionError, OverflowError):
        raise DamagedImageError(_TRUNCATED) from None
    width, height = image.width, image.height
    for step, value in image.steps:
        if step == "turn" and isinstance(value, int) and value % 2:
            width, height = height, width
        elif isinstance(value, tuple):
            width, height = value[2] - value[0], value[3] - value[1]
    # What is decoded may be larger than what is shown.
    if image.width * image.height > 4 * width * height + (1 << 20):
        width, height = image.width, image.height
    return ImageHeader(width, height, 1, data, details=image)


def _image(data: memoryview) -> HeifImage:
    meta = None
    for kind, body in _boxes(data):
        if kind == b"meta":
            meta = dict(_boxes(body[4:]))
            break
    if meta is None or b"iloc" not in meta:
        raise DamagedImageError(f"{_TRUNCATED}: it lists no image")
    if b"pitm" not in meta:
        raise UnreadableImageError("an image sequence without a still image; try 'tddfa video'")
    file = _File(data, meta)
    item = _primary(meta[b"pitm"])
    kind, properties = file.kinds[item], file.properties(item)
    if kind in _CODECS:
        tiles, columns = (file.tile(item),), 1
        width, height = _extent(properties)
    elif kind == b"grid":
        tiles, columns, width, height = _grid(file, item)
    else:
        name = bytes(kind).decode("ascii", "replace")
        raise UnreadableImageError(f"a HEIF image of the kind {name!r}, which cannot be read; {_ADVICE}")
    if not width or not height:
        raise DamagedImageError(f"{_TRUNCATED}: it gives no size")
    steps = tuple(_steps(properties, width, height))
    # A grid may leave to its tiles what their colours mean.
    meanings = [properties, *([file.properties(file.parts(item)[0])] if kind == b"grid" else [])]
    colors = next((found for each in meanings if (found := _colors(each)) is not None), None)
    profile = next((found for each in meanings if (found := _profile(each))), b"")
    return HeifImage(tiles, columns, width, height, steps, colors, profile)


def _grid(file: _File, item: int) -> tuple[tuple[Tile, ...], int, int, int]:
    body = file.bytes_of(item)
    rows, columns = body[2] + 1, body[3] + 1
    width, height = struct.unpack_from(">II" if body[1] & 1 else ">HH", body, 4)
    parts = file.parts(item)
    if len(parts) != rows * columns or len(parts) > _MAX_TILES:
        raise DamagedImageError(f"{_TRUNCATED}: its grid misses tiles")
    return tuple(file.tile(part) for part in parts), columns, width, height


class _File:
    """Items of a file: their kinds, properties, bytes and parts."""

    def __init__(self, data: memoryview, meta: Boxes) -> None:
        self._data = data
        self._inline = meta.get(b"idat", memoryview(b""))
        self.kinds = _kinds(meta[b"iinf"])
        self._locations = _locations(meta[b"iloc"])
        self._parts = _references(meta.get(b"iref", memoryview(b"")))
        shared = dict(_boxes(meta[b"iprp"]))
        self._all_properties = list(_boxes(shared[b"ipco"]))
        self._associations = _associations(shared[b"ipma"])

    def properties(self, item: int) -> list[tuple[bytes, memoryview]]:
        """The properties of an item, in the order in which they apply."""
        return [self._all_properties[k - 1] for k in self._associations.get(item, ()) if k > 0]

    def parts(self, item: int) -> list[int]:
        """The items that an item is derived from."""
        return self._parts.get(item, [])

    def bytes_of(self, item: int) -> bytes:
        """The bytes of an item."""
        inline, extents = self._locations[item]
        source = self._inline if inline else self._data
        pieces: list[bytes] = []
        for offset, length in extents:
            length = length or len(source) - offset
            if offset + length > len(source):
                raise DamagedImageError(f"{_TRUNCATED}: its end is missing; copy or download it again")
            pieces.append(bytes(source[offset : offset + length]))
        return b"".join(pieces)

    def tile(self, item: int) -> Tile:
        """A coded item."""
        kind = self.kinds[item]
        if kind not in _CODECS:
            raise UnreadableImageError(f"a HEIF image of nested grids, which cannot be read; {_ADVICE}")
        codec, configures = _CODECS[kind]
        settings = dict(self.properties(item)).get(configures, memoryview(b""))
        return Tile(codec, bytes(settings), self.bytes_of(item))


def _boxes(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Give kind and content of each box; a box that reaches beyond its parent ends there."""
    at = 0
    while at + 8 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        kind, head = bytes(data[at + 4 : at + 8]), 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + 8)
            head = 16
        elif size == 0:
            size = len(data) - at
        if size < head:
            return
        yield kind, data[at + head : at + size]
        at += size


def _primary(box: memoryview) -> int:
    return int(struct.unpack_from(">I" if box[0] else ">H", box, 4)[0])


def _kinds(box: memoryview) -> dict[int, bytes]:
    head = 8 if box[0] else 6
    out: dict[int, bytes] = {}
    for kind, body in _boxes(box[head:]):
        if kind == b"infe" and body[0] >= 2:
            item, skip = (
                struct.unpack_from(">I" if body[0] == 3 else ">H", body, 4)[0],
                4 if body[0] == 3 else 2,
            )
            out[item] = bytes(body[4 + skip + 2 : 4 + skip + 6])
    return out


def _locations(box: memoryview) -> dict[int, tuple[bool, list[tuple[int, int]]]]:
    """Give whether an item lies in `idat`, and its extents (offset, length; 0 for all the rest)."""
    version = box[0]
    n_offset, n_length = box[4] >> 4, box[4] & 15
    n_base, n_index = box[5] >> 4, box[5] & 15 if version else 0
    at = 6

    def number(size: int) -> int:
        nonlocal at
        if at + size > len(box):
            raise IndexError
        at += size
        return int.from_bytes(box[at - size : at], "big")

    wide = 4 if version == 2 else 2
    out: dict[int, tuple[bool, list[tuple[int, int]]]] = {}
    for _ in range(number(wide)):
        item = number(wide)
        method = number(2) & 15 if version else 0
        number(2)  # data in another file: none in practice
        base = number(n_base)
        extents: list[tuple[int, int]] = []
        for _ in range(number(2)):
            number(n_index)
            offset = number(n_offset)
            extents.append((base + offset, number(n_length)))
        if method <= 1:
            out[item] = (method == 1, extents)
    return out


def _references(box: memoryview) -> dict[int, list[int]]:
    """Give the items that an item is derived from ("dimg")."""
    if not len(box):
        return {}
    letter, wide = ("I", 4) if box[0] else ("H", 2)
    out: dict[int, list[int]] = {}
    for kind, body in _boxes(box[4:]):
        if kind == b"dimg":
            item, n = struct.unpack_from(f">{letter}H", body)
            out[item] = list(struct.unpack_from(f">{n}{letter}", body, wide + 2))
    return out


def _associations(box: memoryview) -> Mapping[int, list[int]]:
    version, wide_index = box[0], box[3] & 1
    (n_items,) = struct.unpack_from(">I", box, 4)
    at, out = 8, dict[int, list[int]]()
    for _ in range(n_items):
        (item,) = struct.unpack_from(">I" if version else ">H", box, at)
        at += 4 if version else 2
        n, at = box[at], at + 1
        indices: list[int] = []
        for _ in range(n):
            if wide_index:
                indices.append(int(struct.unpack_from(">H", box, at)[0]) & 0x7FFF)
            else:
                indices.append(box[at] & 0x7F)
            at += 2 if wide_index else 1
        out[item] = indices
    return out


def _extent(properties: list[tuple[bytes, memoryview]]) -> tuple[int, int]:
    for kind, body in properties:
        if kind == b"ispe":
            width, height = struct.unpack_from(">II", body, 4)
            return width, height
    return 0, 0


def _colors(properties: list[tuple[bytes, memoryview]]) -> tuple[int, int, int, bool] | None:
    for kind, body in properties:
        if kind == b"colr" and bytes(body[:4]) == b"nclx":
            primaries, transfer, matrix = struct.unpack_from(">HHH", body, 4)
            return primaries, transfer, matrix, bool(body[10] >> 7)
    return None


def _profile(properties: list[tuple[bytes, memoryview]]) -> bytes:
    for kind, body in properties:
        if kind == b"colr" and bytes(body[:4]) in (b"prof", b"rICC"):
            return bytes(body[4:])
    return b""


def _steps(
    properties: list[tuple[bytes, memoryview]], width: int, height: int
) -> Iterator[tuple[str, int | tuple[int, int, int, int]]]:
    for kind, body in properties:
        if kind == b"irot":
            turns = body[0] & 3
            width, height = (height, width) if turns % 2 else (width, height)
            yield "turn", turns
        elif kind == b"imir":
            yield "mirror", 0 if body[0] & 1 else 1
        elif kind == b"clap":
            wn, wd, hn, hd, xn, xd, yn, yd = struct.unpack_from(">IIIIiIiI", body)
            if 0 in (wd, hd, xd, yd):
                continue
            w, h = min(wn / wd, width), min(hn / hd, height)
            x0 = round(xn / xd + (width - w) / 2)
            y0 = round(yn / yd + (height - h) / 2)
            x1, y1 = min(x0 + round(w), width), min(y0 + round(h), height)
            if 0 <= x0 < x1 and 0 <= y0 < y1:
                width, height = x1 - x0, y1 - y0
                yield "crop", (x0, y0, x1, y1)


FORMAT = ImageFormat("HEIF", _matches, _inspect, "heif")
