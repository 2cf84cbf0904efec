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

from tddfa import decode_image
from tddfa.imaging.icc import as_srgb

_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_D50 = np.array([0.9642, 1.0, 0.8249])
_D65 = (0.3127, 0.3290)
_SRGB = [(0.64, 0.33), (0.30, 0.60), (0.15, 0.06)]
_P3 = [(0.68, 0.32), (0.265, 0.69), (0.15, 0.06)]
_ADOBE = [(0.64, 0.33), (0.21, 0.71), (0.15, 0.06)]


def _numbers(values) -> bytes:
    return b"".join(struct.pack(">i", round(v * 65536)) for v in values)


def _parametric(kind: int, *values: float) -> bytes:
    return b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + _numbers(values)


def _gamma(value: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256)) + b"\0\0"


def _table(values) -> bytes:
    codes = np.rint(np.asarray(values) * 65535).astype(">u2")
    return b"curv\0\0\0\0" + struct.pack(">I", len(codes)) + codes.tobytes()


def _primaries(xy) -> np.ndarray:
    """XYZ of primaries, adapted from D65 to D50."""
    white = np.array([_D65[0] / _D65[1], 1, (1 - sum(_D65)) / _D65[1]])
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in xy]).T
    columns = columns * np.linalg.solve(columns, white)
    scale = np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white))
    return np.linalg.inv(_BRADFORD) @ scale @ _BRADFORD @ columns


def _profile(xy, curve: bytes, *, matrix: np.ndarray | None = None) -> bytes:
    matrix = _primaries(xy) if matrix is None else matrix
    tags = {"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(90)}
    tags |= {"wtpt": b"XYZ \0\0\0\0" + _numbers(_D50), "cprt": b"text\0\0\0\0none\0"}
    for k, channel in enumerate("rgb"):
        tags |= {f"{channel}XYZ": b"XYZ \0\0\0\0" + _numbers(matrix[:, k]), f"{channel}TRC": curve}
    start, entries, body = 132 + 12 * len(tags), b"", b""
    for name, value in tags.items():
        entries += name.encode() + struct.pack(">II", start + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    head = bytearray(128)
    head[:12] = struct.pack(">I", start + len(body)) + bytes(4) + b"\x02\x40\0\0"
    head[12:24], head[36:40], head[68:80] = b"mntrRGB XYZ ", b"acsp", _numbers(_D50)
    return bytes(head) + struct.pack(">I", len(tags)) + entries + body


_SRGB_CURVE = _parametric(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_DISPLAY_P3 = _profile(_P3, _SRGB_CURVE)
_PROFILES = {
    "Display P3": _DISPLAY_P3,
    "Adobe RGB": _profile(_ADOBE, _gamma(2.19921875)),
    "gamma 1.8": _profile(_SRGB, _parametric(0, 1.8)),
    "a table": _profile(_P3, _table(np.linspace(0, 1, 1024) ** 2.2)),
    "light itself": _profile(_P3, b"curv\0\0\0\0\0\0\0\0"),
    "type 1": _profile(_P3, _parametric(1, 2.2, 1.02, -0.02)),
    "type 2": _profile(_P3, _parametric(2, 2.2, 0.9, 0.0, 0.1)),
    "type 4": _profile(_P3, _parametric(4, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045, 0.0, 0.0)),
}


def _colors() -> np.ndarray:
    """Colours of every kind; those that sRGB lacks are left to the program's choice."""
    return np.random.default_rng(0).integers(60, 200, (64, 96, 3)).astype(np.uint8)


@pytest.mark.parametrize("name", _PROFILES)
def test_colors_are_those_of_littlecms(name: str) -> None:
    image, profile = _colors(), _PROFILES[name]
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
    ours = decode_image(_with_profile(kind, image, _DISPLAY_P3))
    assert np.abs(ours.astype(int) - as_srgb(plain, _DISPLAY_P3)).max() == 0
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
    profiled, both = (_avif(image, profile=_DISPLAY_P3, primaries=number) for number in (None, 12))
    for data in (profiled, _avif(image, primaries=12), both):  # and not converted twice
        out = decode_image(data).astype(int)
        assert np.abs(out - as_srgb(plain, _DISPLAY_P3)).max() <= 3
        assert out[0, 0, 0] - plain[0, 0, 0] >= 6


def test_a_profile_in_several_parts_of_a_jpeg_is_joined_in_their_order() -> None:
    image = np.full((32, 48, 3), (200, 150, 130), np.uint8)
    data, half = cv2.imencode(".jpg", image)[1].tobytes(), len(_DISPLAY_P3) // 2
    parts = []
    for number, part in ((2, _DISPLAY_P3[half:]), (1, _DISPLAY_P3[:half])):
        body = b"ICC_PROFILE\0" + bytes([number, 2]) + part
        parts.append(b"\xff\xe2" + struct.pack(">H", len(body) + 2) + body)
    assert np.array_equal(
        decode_image(data[:2] + b"".join(parts) + data[2:]), as_srgb(decode_image(data), _DISPLAY_P3)
    )


@pytest.mark.parametrize(
    "profile",
    [
        _profile(_SRGB, _SRGB_CURVE),
        _profile(_SRGB, _gamma(2.2)),
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    ],
    ids=["computed", "of gamma 2.2", "of LittleCMS"],
)
def test_images_of_srgb_keep_their_pixels(profile: bytes) -> None:
    image = _colors()
    assert as_srgb(image, profile) is image


def test_white_and_grey_stay_grey_on_a_screen_with_another_white() -> None:
    warm = _primaries(_P3) * np.array([[1.05], [1.0], [0.8]])
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    out = as_srgb(ramp, _profile(_P3, _SRGB_CURVE, matrix=warm)).astype(int)
    assert np.abs(out - ramp).max() <= 1


def test_damaged_profiles_and_those_of_other_kinds_change_nothing() -> None:
    image, rng = _colors(), np.random.default_rng(1)
    inks = _DISPLAY_P3[:16] + b"CMYKLab " + _DISPLAY_P3[24:]
    black = _profile(_P3, _SRGB_CURVE, matrix=np.zeros((3, 3)))
    for profile in (b"", b"acsp" * 50, inks, black, _DISPLAY_P3[:200], bytes(1 << 23)):
        assert as_srgb(image, profile) is image
    for _ in range(300):  # whatever is read, it is an image
        damaged = bytearray(_DISPLAY_P3)
        for at in rng.integers(128, len(damaged), 6):
            damaged[at] = rng.integers(256)
        out = as_srgb(image, bytes(damaged))
        assert out.shape == image.shape
        assert out.dtype == np.uint8


def test_a_damaged_profile_does_not_refuse_its_image() -> None:
    image = np.full((16, 16, 3), (200, 150, 130), np.uint8)
    png = _with_profile("PNG", image, _DISPLAY_P3)
    at = png.index(b"iCCP")
    (length,) = struct.unpack_from(">I", png, at - 4)
    for body in (b"name\0\0" + b"no zlib", b"name", b"", b"name\0\0" + zlib.compress(bytes(1 << 24))):
        chunk = struct.pack(">I", len(body)) + b"iCCP" + body + struct.pack(">I", zlib.crc32(b"iCCP" + body))
        assert np.array_equal(decode_image(png[: at - 4] + chunk + png[at + 8 + length :]), image)
    tiff = bytearray(_with_profile("TIFF", image, _DISPLAY_P3))
    entry = tiff.index(struct.pack("<HH", 34675, 7))
    struct.pack_into("<I", tiff, entry + 8, len(tiff) - 8)  # reaches out of the file
    assert np.array_equal(decode_image(bytes(tiff)), image)
