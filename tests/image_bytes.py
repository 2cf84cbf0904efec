"""Image files of many formats, made without the library, with known orientations, samples and colours."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import PIL.Image

# EXIF's number → what is stored so that a viewer shows the image upright.
STORED = {
    1: lambda p: p,
    2: np.fliplr,
    3: lambda p: np.rot90(p, 2),
    4: np.flipud,
    5: lambda p: p.swapaxes(0, 1),
    6: np.rot90,
    7: lambda p: np.rot90(p, 2).swapaxes(0, 1),
    8: lambda p: np.rot90(p, -1),
}


def corners(height: int = 40, width: int = 64) -> np.ndarray:
    """A smooth image, wider than high, whose corners differ: orientation and channel order show."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.stack([x * 4, y * 6, 255 - x * 4], axis=-1).clip(0, 255).astype(np.uint8)


def exif(orientation: int) -> PIL.Image.Exif:
    out = PIL.Image.Exif()
    out[0x0112] = orientation
    return out


def pillow(image: np.ndarray, kind: str, orientation: int = 1, **options: Any) -> bytes:
    """The file that Pillow writes of an image, stored as `orientation` asks for."""
    if kind in ("HEIF", "HEIC"):
        import pillow_heif

        pillow_heif.register_heif_opener()
        kind = "HEIF"
    stored = PIL.Image.fromarray(np.ascontiguousarray(STORED[orientation](image)))
    out = io.BytesIO()
    if kind == "HEIF":  # its writer turns this into properties of the image
        stored.info["exif"] = exif(orientation).tobytes()
    else:
        options["exif"] = exif(orientation)
    stored.save(out, kind, **options)
    return out.getvalue()


def tiff(image: np.ndarray, orientation: int = 1, *, order: str = "<") -> bytes:
    """An uncompressed TIFF of any type of samples, stored as `orientation` asks for."""
    stored = np.ascontiguousarray(STORED[orientation](image))
    height, width = stored.shape[:2]
    channels = stored.shape[2] if stored.ndim == 3 else 1
    data = stored.astype(stored.dtype.newbyteorder(order)).tobytes()
    kind = {"u": 1, "i": 2, "f": 3}[stored.dtype.kind]
    entries = [
        (256, (width,)),
        (257, (height,)),
        (258, (stored.dtype.itemsize * 8,) * channels),
        (259, (1,)),
        (262, (2 if channels >= 3 else 1,)),
        (273, None),
        (274, (orientation,)),
        (277, (channels,)),
        (278, (height,)),
        (279, (len(data),)),
        (339, (kind,) * channels),
    ]
    base, pool, directory = 8 + 2 + 12 * len(entries) + 4, b"", b""
    for tag, values in entries:
        if tag == 273:
            directory += struct.pack(order + "HHII", tag, 4, 1, base + 2 * 2 * channels * (channels > 2))
        elif tag == 279:
            directory += struct.pack(order + "HHII", tag, 4, 1, len(data))
        else:
            assert values is not None
            body = struct.pack(f"{order}{len(values)}H", *values)
            if len(body) > 4:
                body, pool = struct.pack(order + "I", base + len(pool)), pool + body
            directory += struct.pack(order + "HHI", tag, 3, len(values)) + body.ljust(4, b"\0")
    magic = b"II*\0" if order == "<" else b"MM\0*"
    head = magic + struct.pack(order + "IH", 8, len(entries))
    return head + directory + b"\0\0\0\0" + pool + data


def tiff_of(
    colors: int,
    bits: Sequence[int],
    *,
    kind: int = 1,
    planar: bool = False,
    tile: tuple[int, int] | None = None,
    compression: int = 1,
    samples: np.ndarray | None = None,
    palette: Sequence[int] | None = None,
    coder: Callable[[bytes], bytes] = bytes,
) -> bytes:
    """A whole TIFF of 64 × 48 px, of any layout of samples, whose bytes are all the same.

    Args:
        colors: photometric interpretation, as TIFF numbers it.
        bits: of each channel.
        kind: format of the samples, as TIFF numbers it.
        planar: whether channels are stored one after the other.
        tile: width and height of tiles, px.
        compression: what the file says.
        samples: (48, 64, channels), of a type that has `kind` and at least `bits`; without tiles.
        palette: red of all colours, then green, then blue.
        coder: compresses the bytes of each strip or tile.
    """
    n, (width, height) = len(bits), (64, 48)
    across, down = tile or (width, height)
    n_blocks = -(-width // across) * -(-height // down)
    rows = [-(-across * b // 8) for b in bits] if planar else [-(-across * sum(bits) // 8)]
    blocks = [b"\x55" * (down * row) for row in rows for _ in range(n_blocks)]
    if samples is not None:
        planes = np.moveaxis(samples, -1, 0) if planar else [samples]
        blocks = [_packed(plane, bits[0]) for plane in planes]
    blocks = [coder(block) for block in blocks]
    sizes = [len(block) for block in blocks]
    entries: dict[int, tuple[str, Sequence[int]]] = {
        256: ("H", (width,)),
        257: ("H", (height,)),
        258: ("H", tuple(bits)),
        259: ("H", (compression,)),
        262: ("H", (colors,)),
        277: ("H", (n,)),
        278: ("H", (height,)),
        284: ("H", (2 if planar else 1,)),
        339: ("H", (kind,) * n),
    }
    if colors == 3:
        entries[320] = ("H", range(3 << bits[0]) if palette is None else palette)
    if tile:
        del entries[278]
        entries |= {322: ("H", (across,)), 323: ("H", (down,))}
    starts, lengths = (324, 325) if tile else (273, 279)
    entries |= {starts: ("I", [0] * len(sizes)), lengths: ("I", sizes)}
    bodies = {tag: struct.pack(f"<{len(v)}{letter}", *v) for tag, (letter, v) in entries.items()}
    base = 8 + 2 + 12 * len(entries) + 4
    start = base + sum(len(body) for body in bodies.values() if len(body) > 4)
    bodies[starts] = struct.pack(f"<{len(sizes)}I", *(start + sum(sizes[:k]) for k in range(len(sizes))))
    directory, pool = b"", b""
    for tag in sorted(bodies):
        letter, values = entries[tag]
        body = bodies[tag]
        if len(body) > 4:
            body, pool = struct.pack("<I", base + len(pool)), pool + body
        directory += struct.pack("<HHI", tag, {"H": 3, "I": 4}[letter], len(values)) + body.ljust(4, b"\0")
    head = b"II*\0" + struct.pack("<IH", 8, len(entries))
    return head + directory + bytes(4) + pool + b"".join(blocks)


def _packed(samples: np.ndarray, bits: int) -> bytes:
    """Samples of a number of bits, in rows that end with a whole byte."""
    if bits == 8 * samples.itemsize:
        return samples.astype(samples.dtype.newbyteorder("<")).tobytes()
    rows = samples.astype(np.int64).reshape(len(samples), -1, 1) >> np.arange(bits)[::-1] & 1
    return np.packbits(rows.astype(np.uint8).reshape(len(samples), -1), axis=1).tobytes()


def bmp(
    rows: np.ndarray,
    bits: int,
    *,
    header: int = 40,
    compression: int = 0,
    masks: Sequence[int] = (),
    palette: Sequence[Sequence[int]] = (),
    downwards: bool = False,
) -> bytes:
    """A BMP.

    Args:
        rows: (h, w), from the top: pixels as whole numbers.
        bits: of a pixel.
        header: its length, bytes.
        compression: as BMP numbers it; nothing is compressed.
        masks: bits of the channels in a pixel, behind the first 40 bytes of the header.
        palette: RGB of each colour.
        downwards: whether the first row that is stored is the highest one.
    """
    height, width = rows.shape
    digits = rows.astype(np.int64)[..., None] >> np.arange(bits)[::-1] & 1
    if bits > 8:  # the lowest byte comes first
        digits = digits.reshape(height, width, -1, 8)[:, :, ::-1]
    packed = np.packbits(digits.astype(np.uint8).reshape(height, -1), axis=1)
    packed = np.pad(packed, ((0, 0), (0, -packed.shape[1] % 4)))
    colors = b"".join(bytes([b, g, r] + [0] * (header > 12)) for r, g, b in palette)
    if header == 12:
        head = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        size = (header, width, -height if downwards else height, 1, bits)
        full = struct.pack("<IiiHHIIiiII", *size, compression, packed.size, 2835, 2835, len(palette), 0)
        extra = struct.pack(f"<{len(masks)}I", *masks)
        head = (full[:header] + extra).ljust(header, b"\0")
    start = 14 + len(head) + len(colors)
    body = packed if downwards else packed[::-1]
    return b"BM" + struct.pack("<IHHI", start + packed.size, 0, 0, start) + head + colors + body.tobytes()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def jpeg_segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def box(kind: bytes, *bodies: bytes) -> bytes:
    body = b"".join(bodies)
    return struct.pack(">I", 8 + len(body)) + kind + body


def full_box(kind: bytes, version: int, flags: int, *bodies: bytes) -> bytes:
    return box(kind, bytes([version]) + flags.to_bytes(3, "big"), *bodies)


def heif_grid(
    tiles: list[np.ndarray],
    *,
    columns: int,
    width: int,
    height: int,
    turns: int = 0,
    mirror: int | None = None,
) -> bytes:
    """A HEIF file of JPEG tiles, as large photos of phones are stored (theirs are HEVC).

    Args:
        tiles: row by row, all of one size.
        columns: tiles in a row.
        width: of the image that they make, px.
        height: of it, px.
        turns: quarter turns counter-clockwise (property irot).
        mirror: axis of the property imir: 0 exchanges top and bottom, 1 left and right.
    """
    coded = [pillow(tile, "JPEG", quality=98, subsampling=0) for tile in tiles]
    grid = struct.pack(">BBBBHH", 0, 0, len(tiles) // columns - 1, columns - 1, width, height)
    h, w = tiles[0].shape[:2]
    properties = [
        full_box(b"ispe", 0, 0, struct.pack(">II", width, height)),
        full_box(b"ispe", 0, 0, struct.pack(">II", w, h)),
        box(b"irot", bytes([turns])),
    ]
    shown = [1, *([3] if turns else [])]
    if mirror is not None:
        properties.append(box(b"imir", bytes([mirror])))
        shown.append(4)
    ids = [1, *range(2, 2 + len(tiles))]
    kinds = [b"grid", *[b"jpeg"] * len(tiles)]
    entries = [
        full_box(b"infe", 2, 0, struct.pack(">HH4s", i, 0, k) + b"\0")
        for i, k in zip(ids, kinds, strict=True)
    ]
    links = [(i, shown if i == 1 else [2]) for i in ids]
    associations = b"".join(struct.pack(">HB", i, len(p)) + bytes(p) for i, p in links)

    def meta(start: int) -> bytes:
        lengths = [len(grid), *map(len, coded)]
        offsets = [0, *(start + sum(lengths[1:k]) for k in range(1, len(lengths)))]
        places = b"".join(
            struct.pack(">HHHHII", i, 1 if i == 1 else 0, 0, 1, o, n)
            for i, o, n in zip(ids, offsets, lengths, strict=True)
        )
        return full_box(
            b"meta",
            0,
            0,
            full_box(b"hdlr", 0, 0, struct.pack(">I4s12s", 0, b"pict", b"") + b"\0"),
            full_box(b"pitm", 0, 0, struct.pack(">H", 1)),
            full_box(b"iloc", 1, 0, bytes([0x44, 0]), struct.pack(">H", len(ids)), places),
            full_box(b"iinf", 0, 0, struct.pack(">H", len(ids)), *entries),
            full_box(b"iref", 0, 0, box(b"dimg", struct.pack(f">HH{len(tiles)}H", 1, len(tiles), *ids[1:]))),
            box(
                b"iprp",
                box(b"ipco", *properties),
                full_box(b"ipma", 0, 0, struct.pack(">I", len(ids)), associations),
            ),
            box(b"idat", grid),
        )

    head = box(b"ftyp", b"mif1", bytes(4), b"mif1")
    start = len(head) + len(meta(0)) + 8
    return head + meta(start) + box(b"mdat", *coded)


def avif_10_bit(code: int, *, primaries: int, transfer: int, matrix: int) -> bytes:
    """A grey AVIF of 64 × 64 px whose luma is `code` of 1023 (full range); colours as H.273 numbers them."""
    import av

    out = io.BytesIO()
    with av.open(out, "w", format="avif") as container:
        stream = container.add_stream("libsvtav1", rate=1, options={"crf": "1", "preset": "8"})
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p10le"
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace = primaries, transfer, matrix
        context.color_range = 2
        frame = av.VideoFrame(64, 64, "yuv420p10le")
        for plane, value in zip(frame.planes, (code, 512, 512), strict=True):
            plane.update(np.full(plane.buffer_size // 2, value, np.uint16).tobytes())
        frame.color_range = 2
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()
