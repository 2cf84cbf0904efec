"""TIFF files as programs write them: pages, transparency, compressions, and damage in them."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import PIL.features
import PIL.Image
import PIL.TiffImagePlugin
import pytest

from image_bytes import corners, tiff, tiff_of
from tddfa.errors import ImageFileError
from tddfa.imaging import decode_image, image_size

RGB = corners()
PHOTO = np.random.default_rng(0).integers(1, 256, (90, 63, 3), np.uint8)  # an odd number of bytes a row


def saved(image: PIL.Image.Image | np.ndarray, **options: object) -> bytes:
    out = io.BytesIO()
    image = image if isinstance(image, PIL.Image.Image) else PIL.Image.fromarray(image)
    image.save(out, "TIFF", **options)
    return out.getvalue()


def compressed_as(number: int) -> bytes:
    """An uncompressed file that claims a compression."""
    plain = struct.pack("<HHIHH", 259, 3, 1, 1, 0)
    data = tiff(RGB)
    assert plain in data
    return data.replace(plain, struct.pack("<HHIHH", 259, 3, 1, number, 0))


def strips(data: bytes) -> list[tuple[int, int]]:
    """Offset and length of each strip."""
    tags = PIL.Image.open(io.BytesIO(data)).tag_v2
    return list(zip(tags[273], tags[279], strict=True))


@pytest.mark.parametrize(
    ("number", "name"),
    [
        *((34712, "JPEG 2000"), (33005, "JPEG 2000"), (34887, "LERC"), (34925, "LZMA"), (50000, "Zstandard")),
        *((50002, "JPEG XL"), (52546, "JPEG XL"), (34934, "JPEG XR"), (9, "JBIG"), (34661, "JBIG")),
        (12345, r"an unknown \(12345\)"),
    ],
)
def test_a_compression_that_is_not_read_is_named_with_what_to_do(number, name):
    with pytest.raises(
        ImageFileError, match=f"a TIFF with {name} compression, which cannot be read; save it with LZW"
    ):
        decode_image(compressed_as(number))


LAYOUTS = {
    "4 channels (CMYK) of 16-bit integers": tiff_of(5, [16] * 4),
    "5 channels (CMYK) of 8-bit integers": tiff_of(5, [8] * 5),
    "4 channels (CMYK) of 32-bit floats": tiff_of(5, [32] * 4, kind=3),
    "5 channels (RGB) of 8-bit integers": tiff_of(2, [8] * 5),
    "6 channels (RGB) of 16-bit integers": tiff_of(2, [16] * 6, planar=True),
    "224 channels (grey) of 16-bit integers": tiff_of(1, [16] * 224),
    "1 channel (grey) of 2-bit integers": tiff_of(1, [2]),
    "1 channel (grey) of 4-bit integers": tiff_of(0, [4]),
    "1 channel (grey) of 24-bit integers": tiff_of(1, [24]),
    "2 channels (grey) of 32-bit floats": tiff_of(1, [32] * 2, kind=3),
    "3 channels (RGB) of 4-bit integers": tiff_of(2, [4] * 3),
    "3 channels (RGB) of 5/6/5-bit integers": tiff_of(2, [5, 6, 5]),
    "3 channels (RGB) of 32-bit samples of no type": tiff_of(2, [32] * 3, kind=4),
    "1 channel (grey) of 64-bit complex floats": tiff_of(1, [64], kind=6),
    "1 channel (palette) of 2-bit integers": tiff_of(3, [2]),
    "1 channel (mask) of 1-bit integers": tiff_of(4, [1]),
    "3 channels (YCbCr) of 16-bit integers": tiff_of(6, [16] * 3),
    "3 channels (ICC L*a*b*) of 8-bit integers": tiff_of(9, [8] * 3),
    "3 channels (CIE L*a*b*) of 8-bit integers": tiff_of(8, [8] * 3, planar=True),
    "1 channel (colours of number 77) of 8-bit integers": tiff_of(77, [8]),
    "3 channels (RGB) of 8-bit integers in tiles of 16 × 16 px": tiff_of(2, [8] * 3, tile=(16, 16)),
    "5 channels (RGB) of 8-bit integers in tiles of 32 × 16 px": tiff_of(2, [8] * 5, tile=(32, 16)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_whole_files_of_layouts_that_are_not_read_are_named_and_not_called_damaged(layout):
    try:
        assert decode_image(LAYOUTS[layout]).shape == (48, 64, 3)  # an OpenCV that reads it
    except ImageFileError as error:
        tiles = ", without tiles" if "tiles" in layout else ""
        advice = f"which cannot be read; save it as RGB or grey of 8 or 16 bits{tiles}"
        assert str(error) == f"image is a TIFF with {layout}, {advice}"  # noqa: PT017  # either is right


def test_cmyk_of_floats_and_five_channels_are_among_what_is_not_read():
    for layout in ("4 channels (CMYK) of 32-bit floats", "5 channels (RGB) of 8-bit integers"):
        with pytest.raises(ImageFileError, match="which cannot be read; save it as RGB"):
            decode_image(LAYOUTS[layout])
        assert image_size(LAYOUTS[layout]) == (64, 48)


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("tile", [None, (32, 32), (256, 256)])
@pytest.mark.parametrize(
    "layout", [(1, [8]), (1, [16]), (2, [8] * 3), (2, [16] * 4), (5, [8] * 4), (5, [16] * 4)]
)
def test_damage_in_a_layout_that_is_read_stays_damage(layout, tile, planar):
    whole = tiff_of(*layout, tile=tile, planar=planar and len(layout[1]) > 1)
    assert decode_image(whole).shape == (48, 64, 3)
    with pytest.raises(ImageFileError, match="image is a truncated TIFF file"):
        decode_image(whole[:-1])
    with pytest.raises(ImageFileError, match="image is a damaged"):
        decode_image(tiff_of(*layout, tile=tile, compression=8))


@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_a_layout_with_any_number_in_its_directory_changed_is_read_or_refused_in_one_line(tile):
    whole = tiff_of(2, [8] * 5, tile=tile)
    (n,) = struct.unpack_from("<H", whole, 8)
    for at in range(10, 10 + 12 * n, 12):
        for kind, value in (
            (3, 0),
            (3, 0xFFFF),
            (4, 0xFFFFFFFF),
            (8, 0xFFFF),
            (9, 0xFFFFFFFF),
            (9, 0x80000000),
        ):
            data = bytearray(whole)
            struct.pack_into("<HII", data, at + 2, kind, 1, value)
            try:
                assert decode_image(bytes(data), max_pixels=1 << 20).ndim == 3
            except ImageFileError as error:
                assert len(str(error)) < 300, "one line, which is short"  # noqa: PT017  # either is right
    many = tiff_of(2, [*range(1, 33)] * 40)
    with pytest.raises(ImageFileError, match=r"1280 channels \(RGB\) of 1/2/3/4/5/6/…-bit integers"):
        decode_image(many)


SHOWN = corners(48, 64)
TYPES = [
    *((1, bits, np.uint8) for bits in (1, 8)),
    *((1, bits, np.uint16) for bits in (10, 12, 14, 16)),
    *((1, 32, np.uint32), (2, 8, np.int8), (2, 16, np.int16), (2, 32, np.int32)),
    *((3, 16, np.float16), (3, 32, np.float32), (3, 64, np.float64)),
]


def samples_of(image: np.ndarray, kind: int, bits: int, dtype: type) -> tuple[np.ndarray, float]:
    """The samples of an image, and what the largest of them can be."""
    top = {1: 2.0**bits - 1, 2: 2.0 ** (bits - 1) - 1, 3: 1.0}[kind]
    exact = image / 255 * top
    return (exact if kind == 3 else np.rint(exact)).astype(dtype), top


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize(("kind", "bits", "dtype"), TYPES)
def test_grey_whose_zero_is_white_is_the_inverse_of_grey_whose_zero_is_black(kind, bits, dtype, alpha):
    black, top = samples_of(SHOWN[..., :1], kind, bits, dtype)
    white = (top - black.astype(np.float64)).astype(dtype)
    if alpha:
        opaque = np.full_like(black, top)
        black, white = np.dstack([black, opaque]), np.dstack([white, opaque])
    try:
        expected = decode_image(tiff_of(1, [bits] * black.shape[2], kind=kind, samples=black))
    except ImageFileError as error:
        assert "2 channels (grey)" in str(error)  # noqa: PT017  # not read, whatever zero is
        with pytest.raises(ImageFileError, match=r"2 channels \(grey\) of .* cannot be read"):
            decode_image(tiff_of(0, [bits] * 2, kind=kind, samples=white))
        return
    if not alpha:
        shown = 255.0 * black[..., [0, 0, 0]].astype(np.float64) / top
        assert np.abs(expected - shown).max() <= 1
    image = decode_image(tiff_of(0, [bits] * black.shape[2], kind=kind, samples=white))
    assert np.abs(image.astype(int) - expected).max() <= (2 if alpha else 1)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15])
def test_grey_and_rgb_of_any_number_of_bits_are_read(bits, channels):
    top = (1 << bits) - 1
    samples = np.rint(SHOWN[..., : max(channels // 3 * 3, 1)] / 255 * top).astype(np.uint16)
    expected = 255.0 * np.broadcast_to(samples, (48, 64, 3)) / top
    if channels in (2, 4):
        samples = np.dstack([samples, np.full_like(samples[..., :1], top)])
    data = tiff_of(1 if channels < 3 else 2, [bits] * channels, samples=samples)
    assert np.abs(decode_image(data) - expected).max() <= 1
    if channels == 1:
        inverted = tiff_of(0, [bits], samples=top - samples)
        assert np.abs(decode_image(inverted) - expected).max() <= 1
    with pytest.raises(ImageFileError, match="truncated TIFF file"):
        decode_image(data[:-1])


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("bits", range(1, 13))
def test_palettes_of_any_number_of_bits_are_read(bits, wide):
    samples = (np.arange(48 * 64).reshape(48, 64, 1) % (1 << bits)).astype(
        np.uint8 if bits <= 8 else np.uint16
    )
    colors = np.random.default_rng(bits).integers(0, 256, (1 << bits, 3))
    colors[0] = 255  # some programs store colours of 8 bits, which is seen by the largest
    stored = (colors * 257 if wide else colors).T.ravel().tolist()
    image = decode_image(tiff_of(3, [bits], samples=samples, palette=stored))
    np.testing.assert_array_equal(image, colors[samples[..., 0]])


def packbits(data: bytes) -> bytes:
    """Data as PackBits stores what does not repeat."""
    pieces = (data[k : k + 128] for k in range(0, len(data), 128))
    return b"".join(bytes([len(piece) - 1]) + piece for piece in pieces)


@pytest.mark.parametrize("colors", [0, 1, 2])
@pytest.mark.parametrize(
    ("compression", "coder"), [(8, zlib.compress), (32946, zlib.compress), (32773, packbits)]
)
def test_samples_of_4_bits_that_are_compressed_are_read_and_their_damage_is_noticed(
    colors, compression, coder
):
    n = 3 if colors == 2 else 1
    samples = np.rint(SHOWN[..., :n] / 255 * 15).astype(np.uint8)
    expected = 17 * np.broadcast_to(samples if colors else 15 - samples, (48, 64, 3))
    options = {"samples": samples, "compression": compression}
    np.testing.assert_array_equal(decode_image(tiff_of(colors, [4] * n, coder=coder, **options)), expected)
    cut = tiff_of(colors, [4] * n, coder=lambda data: coder(data)[: len(coder(data)) // 2], **options)
    with pytest.raises(ImageFileError, match=r"image is a (damaged|truncated)"):
        decode_image(cut)


def test_a_fax_and_its_inverse_are_read_alike():
    bitmap = PIL.Image.fromarray(RGB).convert("1")
    for compression in ("group4", "group3", "tiff_lzw", "packbits"):
        for zero in (0, 1):
            data = saved(bitmap, compression=compression, tiffinfo={262: zero})
            assert PIL.Image.open(io.BytesIO(data)).tag_v2[262] in (0, 1)
            expected = np.asarray(PIL.Image.open(io.BytesIO(data)).convert("RGB"))
            np.testing.assert_array_equal(decode_image(data), expected)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize(("kind", "bits", "dtype"), TYPES)
def test_channels_that_lie_one_after_the_other_are_joined(kind, bits, dtype, channels):
    """As NumPy arrays of three planes are stored."""
    samples, top = samples_of(SHOWN, kind, bits, dtype)
    expected = 255.0 * samples.astype(np.float64) / top
    if channels == 4:
        samples = np.dstack([samples, np.full_like(samples[..., :1], top)])
    data = tiff_of(2, [bits] * channels, kind=kind, planar=True, samples=samples)
    assert np.abs(decode_image(data) - expected).max() <= 1
    with pytest.raises(ImageFileError, match="truncated TIFF file"):
        decode_image(data[:-1])


def test_channels_in_tiles_and_strips_that_are_compressed_are_joined():
    tifffile = pytest.importorskip("tifffile", reason="writes the files of this test")
    deep, floats = SHOWN.astype(np.uint16) * 257, (SHOWN / 255).astype(np.float32)
    for samples, coded in (
        (deep, {"compression": "zlib", "predictor": True}),
        (floats, {"compression": "zlib"}),
    ):
        planes = np.moveaxis(samples, -1, 0).copy()
        for layout in ({"tile": (16, 16)}, {"rowsperstrip": 10}, {"rowsperstrip": 10, "bigtiff": True}):
            for options in (layout, layout | coded):
                for order in "<>":
                    out = io.BytesIO()
                    tifffile.imwrite(
                        out, planes, photometric="rgb", planarconfig="separate", byteorder=order, **options
                    )
                    np.testing.assert_allclose(decode_image(out.getvalue()), SHOWN, atol=1)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("planar", [False, True])
def test_inks_of_8_and_16_bits_are_shown_alike(bits, planar):
    inks = np.asarray(PIL.Image.fromarray(255 - SHOWN).convert("CMYK")).copy()
    inks[..., 3] = np.arange(64, dtype=np.uint8) * 4  # black, which Pillow leaves out
    left = 1 - inks / 255
    samples = inks if bits == 8 else inks.astype(np.uint16) * 257
    shown = decode_image(tiff_of(5, [bits] * 4, planar=planar, samples=samples))
    np.testing.assert_allclose(shown, 255 * left[..., :3] * left[..., 3:], atol=1)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("coded", [{}, {"compression": "zlib"}])
@pytest.mark.parametrize("layout", [{}, {"tile": (16, 16)}, {"rowsperstrip": 10}])
def test_floats_of_16_bits_and_inks_of_16_bits_are_read_in_every_layout(order, coded, layout):
    tifffile = pytest.importorskip("tifffile", reason="writes the files of this test")
    halves = (SHOWN / 255).astype(np.float16)
    inks = np.dstack([65535 - SHOWN.astype(np.uint16) * 257, np.zeros(SHOWN.shape[:2], np.uint16)])
    for samples, colors in ((halves, "rgb"), (halves[..., 1], "minisblack"), (inks, "separated")):
        out = io.BytesIO()
        tifffile.imwrite(out, samples, photometric=colors, byteorder=order, **layout, **coded)
        shown = SHOWN if samples.ndim == 3 else np.repeat(SHOWN[..., 1:2], 3, axis=2)
        np.testing.assert_allclose(decode_image(out.getvalue()), shown, atol=1)


def test_floats_of_16_bits_with_the_predictor_of_floats_are_named():
    data = bytearray(tiff_of(2, [16] * 3, kind=3, compression=8, coder=zlib.compress))
    at = data.index(struct.pack("<HHI", 284, 3, 1))  # the channels lie together: no tag is needed for that
    struct.pack_into("<HHII", data, at, 317, 3, 1, 3)
    entries = sorted(data[k : k + 12] for k in range(10, 10 + 12 * data[8], 12))
    entries.sort(key=lambda entry: struct.unpack_from("<H", entry))
    data[10 : 10 + 12 * data[8]] = b"".join(entries)
    with pytest.raises(ImageFileError, match="a TIFF of 16-bit floats, which cannot be read; save it as 32"):
        decode_image(bytes(data))


def test_colours_of_samples_that_nothing_reads_as_such_are_named():
    for colors, n, name in ((5, 4, "CMYK"), (6, 3, "YCbCr"), (8, 3, r"CIE L\*a\*b\*")):
        for kind, bits, type_ in ((2, 8, "signed integers"), (3, 32, "floats")):
            with pytest.raises(
                ImageFileError, match=rf"{n} channels \({name}\) of {bits}-bit {type_}, which"
            ):
                decode_image(tiff_of(colors, [bits] * n, kind=kind))


def test_the_largest_doubles_are_no_numbers_and_nothing_is_printed_about_them(recwarn):
    samples = np.full((48, 64, 1), 0.5)
    samples[0] = np.finfo(np.float64).max
    samples[1] = np.finfo(np.float64).min  # as maps mark what is missing
    image = decode_image(tiff_of(1, [64], kind=3, samples=samples))
    assert image[:2].max() == 0
    assert (image[2:] == 128).all()
    assert not recwarn.list


def test_an_orientation_of_any_width_is_applied_once():
    for order in "<>":
        data = bytearray(tiff(RGB, 6, order=order))
        at = data.index(struct.pack(order + "HHI", 274, 3, 1))
        struct.pack_into(order + "HHII", data, at, 274, 4, 1, 6)  # of 32 bits
        np.testing.assert_array_equal(decode_image(bytes(data)), RGB)


def test_jpeg_of_12_bits_in_a_tiff_is_named():
    with pytest.raises(ImageFileError, match="a TIFF with 12-bit JPEG compression, which cannot be read"):
        decode_image(tiff_of(1, [12], compression=7))


@pytest.mark.skipif(not PIL.features.check("libtiff"), reason="writes the files of this test")
@pytest.mark.parametrize("compression", ["zstd", "lzma"])
def test_whole_files_of_rare_compressions_are_not_called_damaged(compression):
    try:
        data = saved(RGB, compression=compression)
    except (OSError, RuntimeError):
        pytest.skip(f"this Pillow writes no {compression}")
    try:
        np.testing.assert_array_equal(decode_image(data), RGB)  # an OpenCV with that codec
    except ImageFileError as error:
        assert "compression, which cannot be read" in str(error)  # noqa: PT017  # either is right


@pytest.mark.parametrize(
    "compression", [None, "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate", "packbits", "jpeg"]
)
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "CMYK", "RGBA", "LA"])
def test_the_usual_compressions_are_read(compression, mode):
    if compression == "jpeg" and mode in ("P", "RGBA", "LA"):
        pytest.skip("JPEG holds no palette and no transparency")
    for width in range(54, 65):
        shown = PIL.Image.fromarray(RGB[:, :width]).convert(mode)
        expected = np.asarray(shown.convert("RGB")).astype(int)
        image = decode_image(saved(shown, compression=compression))
        assert np.abs(image - expected).max() <= (16 if compression == "jpeg" else 1)


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt", "tiff_lzw", "packbits"])
def test_bitmaps_are_read(compression):
    bitmap = PIL.Image.fromarray(RGB).convert("1")
    image = decode_image(saved(bitmap, compression=compression))
    np.testing.assert_array_equal(image, np.asarray(bitmap.convert("RGB")))


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("strip_size", [2000, 1 << 20])
@pytest.mark.parametrize("grey", [False, True])
def test_a_strip_that_ends_early_is_damage_and_not_black_rows(compression, strip_size, grey, monkeypatch):
    monkeypatch.setattr(PIL.TiffImagePlugin, "STRIP_SIZE", strip_size)
    pixels = PHOTO[..., 0] if grey else PHOTO
    data = saved(pixels, compression=compression)
    expected = np.repeat(pixels[..., None], 3, axis=2) if grey else pixels
    np.testing.assert_array_equal(decode_image(data), expected)
    for start, length in strips(data):
        damaged = bytearray(data)
        # Codes that are not defined yet, no header of zlib, and bytes that stand for no pixel.
        first, filler = {"tiff_lzw": (length // 2, 255), "tiff_adobe_deflate": (0, 255)}.get(
            compression, (length // 2, 128)
        )
        damaged[start + first : start + length] = bytes([filler]) * (length - first)
        with pytest.raises(ImageFileError, match="damaged TIFF file: a part of it cannot be decompressed"):
            decode_image(bytes(damaged))


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("color", [0, 255])
@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "CMYK"])
def test_a_whole_black_image_is_no_damage(compression, color, mode):
    for width in range(1, 33):
        flat = PIL.Image.new("RGB", (width, 35), (color,) * 3).convert(mode)
        assert (decode_image(saved(flat, compression=compression)) == color).all()


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("compression", [1, 5])
def test_transparency_is_dropped_and_leaves_the_colours(bits, compression):
    alpha = np.linspace(0, 255, 64).astype(np.uint8)[None].repeat(40, axis=0)
    rgba = np.dstack([RGB, alpha])
    stored = rgba if bits == 8 else rgba.astype(np.uint16) * 257
    data = cv2.imencode(".tif", stored[..., [2, 1, 0, 3]], [cv2.IMWRITE_TIFF_COMPRESSION, compression])[1]
    np.testing.assert_allclose(decode_image(data.tobytes()), RGB, atol=1)
    if bits == 8:
        np.testing.assert_array_equal(decode_image(saved(rgba)), RGB)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_alpha_that_is_said_to_be_unassociated_is_dropped(order, kind):
    alpha = np.full((40, 64, 1), 100, np.uint8)
    scale = 1 if kind == np.uint8 else 257
    data = tiff(np.dstack([RGB, alpha]).astype(kind) * kind(scale), order=order)
    # Without the tag of its rows a strip holds all of them: the tag of extra samples takes its place.
    at = data.index(struct.pack(order + "HHI", 278, 3, 1))
    extra = struct.pack(order + "HHIHH", 338, 3, 1, 2, 0)
    data = data[:at] + data[at + 12 : at + 24] + extra + data[at + 24 :]
    multiplied = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert multiplied is not None
    assert multiplied.max() <= 101, "OpenCV alone shows the defect that is tested"
    np.testing.assert_allclose(decode_image(data), RGB, atol=1)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_a_thumbnail_before_the_image_is_skipped(big, compression):
    thumbnail, mask, full, last = (
        PIL.Image.fromarray(pixels) for pixels in (RGB[::4, ::4], RGB[::2, ::2], RGB, 255 - RGB)
    )
    for image, subfile in ((thumbnail, 1), (mask, 4), (full, 0), (last, 0)):
        image.encoderinfo = {"tiffinfo": {254: subfile}}  # what Pillow writes of each page
    data = saved(
        thumbnail,
        save_all=True,
        append_images=[mask, full, last],
        tiffinfo={254: 1},
        compression=compression,
        big_tiff=big,
    )
    np.testing.assert_array_equal(decode_image(data), RGB)
    assert image_size(data) == (64, 40)


def test_a_thumbnail_alone_is_read():
    data = saved(RGB, tiffinfo={254: 1})
    np.testing.assert_array_equal(decode_image(data), RGB)


def test_directories_in_a_circle_end():
    data = bytearray(saved(RGB, tiffinfo={254: 1}))
    (start,) = struct.unpack_from("<I", data, 4)
    (n,) = struct.unpack_from("<H", data, start)
    struct.pack_into("<I", data, start + 2 + 12 * n, start)
    np.testing.assert_array_equal(decode_image(bytes(data)), RGB)
