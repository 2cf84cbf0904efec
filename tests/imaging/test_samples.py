"""Samples of more or fewer than eight bits: which value is white."""

from __future__ import annotations

import io

import cv2
import numpy as np
import PIL.Image
import pytest

from image_bytes import corners, tiff
from tddfa.errors import ImageFileError
from tddfa.imaging import decode_image

RGB = corners()


def encoded(suffix: str, samples: np.ndarray) -> bytes:
    """The file of RGB floats in a format that holds them."""
    if suffix == ".tif":
        return tiff(samples)
    return cv2.imencode(suffix, np.ascontiguousarray(samples[..., ::-1]))[1].tobytes()


def pnm(kind: str, samples: np.ndarray, white: int, *, comment: str = "") -> bytes:
    """A PNM file of any largest value, in ASCII or binary."""
    head = f"{kind}\n{comment}{samples.shape[1]} {samples.shape[0]}\n{comment}{white}\n".encode()
    if kind in ("P2", "P3"):
        return head + " ".join(map(str, samples.ravel())).encode()
    return head + samples.astype(">u2" if white > 255 else np.uint8).tobytes()


@pytest.mark.parametrize("suffix", [".tif", ".pfm", ".hdr"])
@pytest.mark.parametrize("bright", [1.3, 3, 100, 10_000])
def test_one_bright_pixel_does_not_darken_the_others(suffix, bright):
    samples = RGB.astype(np.float32) / 255
    samples[5, 7] = bright
    image = decode_image(encoded(suffix, samples))
    expected = decode_image(encoded(suffix, np.minimum(samples, 1)))
    assert (image[5, 7] == 255).all()
    assert np.abs(image.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("scale", [255, 65535])
def test_floats_of_wider_ranges_keep_them_with_a_hot_pixel(scale):
    samples = RGB.astype(np.float32) * (scale / 255)
    samples[5, 7] = 20 * scale
    expected = RGB.copy()
    expected[5, 7] = 255
    assert np.abs(decode_image(tiff(samples)).astype(int) - expected).max() <= 1


def test_a_small_bright_subject_before_black_keeps_its_range():
    """The share is one of the samples above 0: black around a subject says nothing of its range."""
    samples = np.zeros((100, 100, 3), np.float32)
    samples[:5, :5] = 200
    assert (decode_image(tiff(samples))[:5, :5] == 200).all()


@pytest.mark.parametrize("suffix", [".tif", ".pfm", ".hdr"])
def test_a_scene_of_high_dynamic_range_is_exposed_so_that_all_but_its_highlights_fit(suffix):
    light = np.repeat(np.linspace(0, 8, 64 * 40, dtype=np.float32).reshape(40, 64, 1), 3, axis=2)
    light[0, 0] = 5000
    image = decode_image(encoded(suffix, light))
    expected = (light / np.percentile(light[light > 0], 99)).clip(0, 1) * 255
    assert np.abs(image - expected).max() <= (3 if suffix == ".hdr" else 1)


def test_radiance_light_is_never_taken_for_numbers_to_255():
    light = np.full((40, 64, 3), 60, np.float32)
    assert (decode_image(encoded(".hdr", light)) == 255).all()


@pytest.mark.parametrize("kind", ["P2", "P3", "P5", "P6"])
@pytest.mark.parametrize("white", [1, 15, 31, 254, 255, 256, 1023, 4095, 65535])
@pytest.mark.parametrize("comment", ["", "# made by hand\n"])
def test_pnm_samples_are_scaled_by_the_largest_value_of_the_header(kind, white, comment):
    stored = np.rint(RGB / 255 * white).astype(np.uint16)
    if kind in ("P2", "P5"):
        stored = stored[..., 0]
    data = pnm(kind, stored, white, comment=comment)
    expected = stored.astype(float) * 255 / white
    expected = np.repeat(expected[..., None], 3, axis=2) if expected.ndim == 2 else expected
    image = decode_image(data)
    assert np.abs(image - expected).max() <= 1
    judge = np.asarray(PIL.Image.open(io.BytesIO(data))).astype(float)
    if judge.max() > 255:  # Pillow keeps 16 bits of grey
        judge = judge * 255 / 65535
    judge = np.repeat(judge[..., None], 3, axis=2) if judge.ndim == 2 else judge
    assert np.abs(image - judge).max() <= 1.01


@pytest.mark.parametrize("white", ["0", "65536", "x"])
def test_a_pnm_without_a_valid_largest_value_is_refused(white):
    with pytest.raises(ImageFileError, match="PNM file: its header gives no largest value"):
        decode_image(f"P5\n4 4\n{white}\n".encode() + bytes(32))
