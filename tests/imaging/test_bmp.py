"""BMP files as programs write them: every number of bits, header and order of the rows."""

from __future__ import annotations

import io
import struct

import numpy as np
import PIL.Image
import pytest

from image_bytes import bmp, corners
from tddfa.errors import ImageFileError
from tddfa.imaging import decode_image, image_size

RGB = corners(height=21, width=37)  # rows of no whole number of bytes


def pixels_of(masks: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Pixels that hold `RGB` in the bits of masks, and the image that they mean."""
    rows, shown = np.zeros(RGB.shape[:2], np.int64), np.zeros(RGB.shape)
    for k, mask in enumerate(masks[:3]):
        shift, top = (mask & -mask).bit_length() - 1, mask >> (mask & -mask).bit_length() - 1
        values = np.rint(RGB[..., k].astype(float) / 255 * top).astype(np.int64)
        rows |= values << shift
        shown[..., k] = np.rint(255 * values / top)
    return rows, shown


def by_pillow(data: bytes) -> np.ndarray:
    return np.asarray(PIL.Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.mark.parametrize("downwards", [False, True])
@pytest.mark.parametrize("header", [12, 16, 40, 52, 56, 64, 108, 124])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes_of_every_number_of_bits_are_read(bits, header, downwards):
    if downwards and header == 12:
        pytest.skip("heights are positive there")
    palette = np.random.default_rng(bits).integers(0, 256, (1 << bits, 3)).tolist()
    rows = np.arange(RGB[..., 0].size).reshape(RGB.shape[:2]) % (1 << bits)
    data = bmp(rows, bits, header=header, palette=palette, downwards=downwards)
    np.testing.assert_array_equal(decode_image(data), np.array(palette, np.uint8)[rows])
    assert image_size(data) == (37, 21)
    if bits != 2 and header != 16:  # Pillow reads no others
        np.testing.assert_array_equal(decode_image(data), by_pillow(data))


@pytest.mark.parametrize("downwards", [False, True])
@pytest.mark.parametrize(
    ("bits", "header", "compression", "masks"),
    [
        (16, 40, 0, ()),
        (16, 40, 3, (0xF800, 0x7E0, 0x1F)),
        (16, 40, 3, (0x7C00, 0x3E0, 0x1F)),
        (16, 56, 3, (0xF800, 0x7E0, 0x1F, 0)),
        (16, 108, 3, (0xF00, 0xF0, 0xF, 0xF000)),
        (16, 124, 3, (0x3, 0x1C, 0x20)),
        (24, 40, 0, ()),
        (32, 40, 0, ()),
        (32, 52, 3, (0xFF0000, 0xFF00, 0xFF)),
        (32, 40, 3, (0xFF, 0xFF00, 0xFF0000)),
        (32, 40, 6, (0xFF000000, 0xFF0000, 0xFF00, 0xFF)),
        (32, 124, 3, (0x3FF00000, 0xFFC00, 0x3FF)),
    ],
)
def test_pixels_of_every_mask_are_read(bits, header, compression, masks, downwards):
    usual = (0x7C00, 0x3E0, 0x1F) if bits == 16 else (0xFF0000, 0xFF00, 0xFF)
    rows, shown = pixels_of(masks or usual)
    data = bmp(rows, bits, header=header, compression=compression, masks=masks, downwards=downwards)
    np.testing.assert_array_equal(decode_image(data), shown)


def test_white_is_white_in_16_bits():
    assert (decode_image(bmp(np.full((3, 3), 0x7FFF), 16)) == 255).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_what_pillow_writes_is_read_alike(mode):
    out = io.BytesIO()
    PIL.Image.fromarray(RGB).convert(mode).save(out, "BMP")
    np.testing.assert_array_equal(decode_image(out.getvalue()), by_pillow(out.getvalue()))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_a_bitmap_without_the_header_of_a_file_is_read(mode):
    """As Pillow writes `.dib` files, and clipboards hold images."""
    image = PIL.Image.fromarray(RGB).convert(mode)
    out, whole = io.BytesIO(), io.BytesIO()
    image.save(out, "DIB")
    image.save(whole, "BMP")
    np.testing.assert_array_equal(decode_image(out.getvalue()), decode_image(whole.getvalue()))
    assert image_size(out.getvalue()) == image.size
    with pytest.raises(ImageFileError, match="truncated BMP file: its end is missing"):
        decode_image(out.getvalue()[:-100])


def test_masks_and_runs_without_the_header_of_a_file_are_read():
    rows = np.arange(60).reshape(6, 10) * 1000
    masked = bmp(rows, 16, compression=3, masks=(0xF800, 0x7E0, 0x1F))
    np.testing.assert_array_equal(decode_image(masked[14:]), decode_image(masked))
    runs = bytearray(bmp(np.zeros((1, 4), int), 8, compression=1, palette=[(9, 9, 9), (200, 100, 50)]))
    del runs[-4:]
    runs += bytes([4, 1, 0, 1])  # four pixels of colour 1, and the end
    struct.pack_into("<I", runs, 10, len(runs) - 4)
    assert (decode_image(bytes(runs)) == (200, 100, 50)).all()
    np.testing.assert_array_equal(decode_image(bytes(runs[14:])), decode_image(bytes(runs)))


def test_palettes_that_are_too_short_or_too_long_or_not_counted_are_read():
    rows = np.arange(32).reshape(4, 8) % 8
    palette = np.random.default_rng(0).integers(1, 256, (5, 3))
    known = np.where((rows < 5)[..., None], palette[np.minimum(rows, 4)], 0)
    np.testing.assert_array_equal(decode_image(bmp(rows, 8, palette=palette.tolist())), known)
    long = bmp(rows, 8, palette=np.random.default_rng(0).integers(1, 256, (300, 3)).tolist())
    assert decode_image(long).shape == (4, 8, 3)
    whole = bmp(rows, 4, palette=np.random.default_rng(0).integers(1, 256, (16, 3)).tolist())
    uncounted = whole[:10] + struct.pack("<I", 54) + whole[14:46] + struct.pack("<I", 0) + whole[50:]
    np.testing.assert_array_equal(decode_image(uncounted), decode_image(whole))


@pytest.mark.parametrize(
    ("bits", "compression", "text"),
    [
        (0, 4, "a BMP file around a JPEG, which cannot be read; save it as JPEG"),
        (0, 5, "a BMP file around a PNG, which cannot be read; save it as PNG"),
        (24, 4, "a BMP with 24-bit run-length compression of OS/2, which cannot be read; save it as PNG"),
        (1, 3, "a BMP with Huffman compression of OS/2, which cannot be read; save it as PNG"),
        (64, 0, "a BMP of 64 bits a pixel, which cannot be read; save it as PNG"),
        (5, 0, "a damaged BMP file: it claims 5 bits a pixel"),
    ],
)
def test_what_no_decoder_reads_is_named(bits, compression, text):
    data = bytearray(bmp(np.zeros((4, 4)), 8))
    struct.pack_into("<HI", data, 28, bits, compression)
    with pytest.raises(ImageFileError) as caught:
        decode_image(bytes(data))
    assert str(caught.value) == f"image is {text}"


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16, 24, 32])
def test_a_pixel_that_is_missing_is_refused_and_the_filling_of_the_last_row_is_not_missed(bits):
    data = bmp(np.zeros((5, 3)), bits, palette=[(9, 9, 9)] * (bits <= 8))
    filling = -(3 * bits // -8) % -4 * -1
    assert decode_image(data[: len(data) - filling]).shape == (5, 3, 3)
    for cut in (filling + 1, 40, len(data) - 30):
        with pytest.raises(ImageFileError, match=r"(truncated|damaged) BMP file"):
            decode_image(data[: len(data) - cut])
