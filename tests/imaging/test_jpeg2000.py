"""JPEG 2000: inks, luma, grey and RGB of every number of bits; what is not read is named."""

from __future__ import annotations

import io
import struct

import numpy as np
import PIL.Image
import pytest

from image_bytes import corners
from tddfa.errors import ImageFileError
from tddfa.imaging import decode_image, image_size

RGB = corners()


def saved(image: PIL.Image.Image, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG2000", **options)
    return out.getvalue()


def codestream(data: bytes) -> bytes:
    """The codestream without the boxes around it: what files that end in .j2k hold."""
    return data[data.index(b"\xff\x4f\xff\x51") :]


def with_space(data: bytes, number: int) -> bytes:
    """The same samples, called another colour space."""
    at = data.index(b"colr\x01") + 7
    return data[:at] + struct.pack(">I", number) + data[at + 4 :]


def by_pillow(data: bytes) -> np.ndarray:
    return np.asarray(PIL.Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "CMYK"])
def test_every_mode_that_pillow_writes_is_read_alike(mode):
    image = PIL.Image.fromarray(RGB).convert(mode)
    if mode == "CMYK":  # with black of its own
        image = PIL.Image.fromarray(np.dstack([255 - RGB, RGB[..., 1] // 2]), mode="CMYK")
    data = saved(image)
    assert np.abs(decode_image(data).astype(int) - by_pillow(data)).max() <= 1
    assert image_size(data) == (64, 40)


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("bits", [9, 10, 12, 14, 16])
def test_more_than_8_bits_are_scaled_to_8(bits, bare):
    top = (1 << bits) - 1
    samples = np.rint(RGB[..., 1] / 255 * top).astype(np.uint16)
    # Samples are stored less half of their range: those of 16 bits, moved so, are those of fewer bits.
    data = bytearray(saved(PIL.Image.fromarray(samples + np.uint16((1 << 15) - (1 << bits - 1)))))
    _set_depth(data, bits)
    read = decode_image(codestream(bytes(data)) if bare else bytes(data))
    assert np.abs(read - (255.0 * samples / top)[..., None]).max() <= 1


def _set_depth(data: bytearray, bits: int) -> None:
    at = data.index(b"\xff\x4f\xff\x51")
    data[at + 42] = bits - 1
    if b"ihdr" in data:
        data[data.index(b"ihdr") + 14] = bits - 1


def test_luma_and_differences_are_converted_as_photos_have_them():
    stored = np.asarray(PIL.Image.fromarray(RGB).convert("YCbCr"))
    data = with_space(saved(PIL.Image.fromarray(stored)), 18)
    assert np.abs(decode_image(data).astype(int) - RGB).max() <= 3  # luma and differences are whole numbers


def test_what_is_not_read_is_named_and_not_called_damaged():
    shifted = saved(PIL.Image.fromarray(RGB), offset=(8, 8), tile_size=(32, 32))
    few = bytearray(saved(PIL.Image.fromarray(RGB[..., 0])))
    _set_depth(few, 4)
    signed = bytearray(saved(PIL.Image.fromarray(RGB)))
    at = signed.index(b"\xff\x4f\xff\x51") + 42
    signed[at] = signed[at + 3] = signed[at + 6] = 0x87
    for data, what in (
        (shifted, "whose upper left corner is (8, 8)"),
        (bytes(few), "of 4-bit samples"),
        (bytes(signed), "of signed samples"),
    ):
        try:
            assert decode_image(data).shape == (40, 64, 3)  # an OpenCV that reads it
        except ImageFileError as error:
            advice = "which cannot be read; save it as PNG"
            assert str(error) == f"image is a JPEG 2000 image {what}, {advice}"  # noqa: PT017  # either is right


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_file_that_is_cut_off_stays_damaged(mode):
    data = saved(PIL.Image.fromarray(RGB).convert(mode))
    for cut in (1, 40, len(data) // 2, len(data) - 60):
        with pytest.raises(ImageFileError, match="damaged or truncated JPEG 2000"):
            decode_image(data[:-cut])
