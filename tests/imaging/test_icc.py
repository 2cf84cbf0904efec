"""Colour profiles: LittleCMS, which photo programs use, is the judge."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageCms

from icc_profiles import DISPLAY_P3, P3, PROFILES, SRGB, SRGB_CURVE, gamma, primaries_of, profile_of
from tddfa import decode_image
from tddfa.imaging.icc import as_srgb


def _colors() -> np.ndarray:
    """Colours of every kind; those that sRGB lacks are left to the program's choice."""
    return np.random.default_rng(0).integers(60, 200, (64, 96, 3)).astype(np.uint8)


@pytest.mark.parametrize("name", PROFILES)
def test_colors_are_those_of_littlecms(name: str) -> None:
    image, profile = _colors(), PROFILES[name]
    judge = ImageCms.profileToProfile(
        Pillow.fromarray(image),
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )
    expected = np.asarray(judge).astype(int)
    inside = ((expected > 0) & (expected < 255)).all(axis=-1)
    assert inside.mean() > 0.5
    ours = as_srgb(image, profile).astype(int)
    assert np.abs(ours - expected)[inside].max() <= 2
    assert np.abs(ours - image).mean() > 3  # it does something


def _with_profile(kind: str, image: np.ndarray, profile: bytes) -> bytes:
    out = io.BytesIO()
    options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    options = {"lossless": True} if kind == "WEBP" else {"quality": 98} if kind == "AVIF" else options
    Pillow.fromarray(image).save(out, kind, icc_profile=profile, **options)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_files_are_read_as_srgb(kind: str) -> None:
    image = np.full((32, 48, 3), (200, 150, 130), np.uint8)  # skin
    plain = decode_image(_with_profile(kind, image, b""))
    ours = decode_image(_with_profile(kind, image, DISPLAY_P3))
    assert np.abs(ours.astype(int) - as_srgb(plain, DISPLAY_P3)).max() == 0
    assert np.abs(ours[0, 0].astype(int) - (209, 147, 126)).max() <= 2


def _avif(image: np.ndarray, *, profile: bytes = b"", primaries: int | None = None) -> bytes:
    data = bytearray(_with_profile("AVIF", image, profile))
    if primaries is not None:  # in the container; the coded image has numbers of its own
        struct.pack_into(">H", data, data.index(b"colrnclx") + 8, primaries)
    return bytes(data)


def test_phone_images_of_display_p3_are_read_as_srgb() -> None:
    """By a profile or by a number of the container, which says the same of the colours."""
    image = np.full((64, 64, 3), (200, 150, 130), np.uint8)
    plain = decode_image(_avif(image))
    assert np.abs(plain.astype(int) - image).max() <= 3
    profiled, both = (_avif(image, profile=DISPLAY_P3, primaries=number) for number in (None, 12))
    for data in (profiled, _avif(image, primaries=12), both):  # and not converted twice
        out = decode_image(data).astype(int)
        assert np.abs(out - as_srgb(plain, DISPLAY_P3)).max() <= 3
        assert out[0, 0, 0] - plain[0, 0, 0] >= 6


def test_a_profile_in_several_parts_of_a_jpeg_is_joined_in_their_order() -> None:
    image = np.full((32, 48, 3), (200, 150, 130), np.uint8)
    data, half = cv2.imencode(".jpg", image)[1].tobytes(), len(DISPLAY_P3) // 2
    parts = []
    for number, part in ((2, DISPLAY_P3[half:]), (1, DISPLAY_P3[:half])):
        body = b"ICC_PROFILE\0" + bytes([number, 2]) + part
        parts.append(b"\xff\xe2" + struct.pack(">H", len(body) + 2) + body)
    assert np.array_equal(
        decode_image(data[:2] + b"".join(parts) + data[2:]), as_srgb(decode_image(data), DISPLAY_P3)
    )


@pytest.mark.parametrize(
    "profile",
    [
        profile_of(SRGB, SRGB_CURVE),
        profile_of(SRGB, gamma(2.2)),
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    ],
    ids=["computed", "of gamma 2.2", "of LittleCMS"],
)
def test_images_of_srgb_keep_their_pixels(profile: bytes) -> None:
    image = _colors()
    assert as_srgb(image, profile) is image


def test_white_and_grey_stay_grey_on_a_screen_with_another_white() -> None:
    warm = primaries_of(P3) * np.array([[1.05], [1.0], [0.8]])
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    out = as_srgb(ramp, profile_of(P3, SRGB_CURVE, matrix=warm)).astype(int)
    assert np.abs(out - ramp).max() <= 1


def test_damaged_profiles_and_those_of_other_kinds_change_nothing() -> None:
    image, rng = _colors(), np.random.default_rng(1)
    inks = DISPLAY_P3[:16] + b"CMYKLab " + DISPLAY_P3[24:]
    black = profile_of(P3, SRGB_CURVE, matrix=np.zeros((3, 3)))
    for profile in (b"", b"acsp" * 50, inks, black, DISPLAY_P3[:200], bytes(1 << 23)):
        assert as_srgb(image, profile) is image
    for _ in range(300):  # whatever is read, it is an image
        damaged = bytearray(DISPLAY_P3)
        for at in rng.integers(128, len(damaged), 6):
            damaged[at] = rng.integers(256)
        out = as_srgb(image, bytes(damaged))
        assert out.shape == image.shape
        assert out.dtype == np.uint8


def test_a_damaged_profile_does_not_refuse_its_image() -> None:
    image = np.full((16, 16, 3), (200, 150, 130), np.uint8)
    png = _with_profile("PNG", image, DISPLAY_P3)
    at = png.index(b"iCCP")
    (length,) = struct.unpack_from(">I", png, at - 4)
    for body in (b"name\0\0" + b"no zlib", b"name", b"", b"name\0\0" + zlib.compress(bytes(1 << 24))):
        chunk = struct.pack(">I", len(body)) + b"iCCP" + body + struct.pack(">I", zlib.crc32(b"iCCP" + body))
        assert np.array_equal(decode_image(png[: at - 4] + chunk + png[at + 8 + length :]), image)
    tiff = bytearray(_with_profile("TIFF", image, DISPLAY_P3))
    entry = tiff.index(struct.pack("<HH", 34675, 7))
    struct.pack_into("<I", tiff, entry + 8, len(tiff) - 8)  # reaches out of the file
    assert np.array_equal(decode_image(bytes(tiff)), image)
