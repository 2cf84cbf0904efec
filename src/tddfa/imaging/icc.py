"""Colour profiles of image files: the colours of Display P3, Adobe RGB and others as those of sRGB.

Read are profiles of RGB with a matrix and a curve for each channel, which cameras, phones and screens have.
Source: ICC.1:2022, sections 7, 8.3.3, 10.6 and 10.18.
"""

from __future__ import annotations

import struct
from functools import lru_cache

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.imaging.formats.header import MAX_PROFILE_BYTES
from tddfa.imaging.opencv import cv2
from tddfa.imaging.tone import look_up
from tddfa.shapes import Float32, Float64, UInt8
from tddfa.types import Image

# Linear sRGB from XYZ of the profile connection space (D50). Source: the primaries of IEC 61966-2-1, adapted
# with the Bradford matrix of ICC.1:2022, annex E.
_SRGB_FROM_XYZ = np.linalg.inv(
    np.array(
        [
            [0.4360747, 0.3850649, 0.1430804],
            [0.2225045, 0.7168786, 0.0606169],
            [0.0139322, 0.0971045, 0.7141733],
        ]
    )
)
# Mean change of the colours of a cube, in levels of 255, from which an image is converted. Display P3 and
# Adobe RGB have 10; the profiles of sRGB, which round, 0.0. A screen that is nearly sRGB has 2.5, and skin
# changes by two levels at most: those images keep the pixels that other programs read.
_VISIBLE = 5.0
_LEAST_WHITE = 0.3  # of each primary of sRGB in what a profile calls white
_STEPS = 1 << 16
_STRIP_PIXELS = 1 << 18  # that are converted at once: floats of a whole image take four times its memory
_HEADER, _TAG = 128, 12  # bytes
# Parametric curves: how many parameters each type has.
_N_PARAMETERS = (1, 3, 4, 5, 7)


@dataclass(frozen=True, slots=True)
class _Conversion:
    """From the RGB of a profile to that of sRGB.

    Attributes:
        light: of each value of each channel, 1 for white.
        matrix: light of the profile's primaries → light of sRGB's.
    """

    light: Float32[np.ndarray, "256 3"]
    matrix: Float32[np.ndarray, "3 3"]

    def __call__(self, image: Image) -> Image:
        """Return the colours of an image as sRGB; those that sRGB lacks are the nearest, by channel."""
        light = cv2.transform(np.asarray(cv2.LUT(image, self.light[None])), self.matrix)
        codes = np.clip(light * np.float32(_STEPS - 1) + np.float32(0.5), 0, _STEPS - 1).astype(np.uint16)
        return look_up(codes, _srgb_codes()).astype(np.uint8, copy=False)


def as_srgb(image: Image, profile: bytes) -> Image:
    """Return an image whose colours a profile describes as sRGB; the same where hardly anything would change.

    Args:
        image: RGB.
        profile: the bytes of an ICC profile; empty, damaged ones and those of another kind change nothing.
    """
    convert = _conversion(profile) if 0 < len(profile) <= MAX_PROFILE_BYTES else None
    if convert is None:
        return image
    out = np.empty_like(image, order="C")
    rows = max(1, _STRIP_PIXELS // image.shape[1])
    for y in range(0, len(image), rows):
        out[y : y + rows] = convert(np.ascontiguousarray(image[y : y + rows]))
    return out


@lru_cache(maxsize=8)
def _conversion(profile: bytes) -> _Conversion | None:
    """Return what a profile does to colours; None where that cannot be seen, or it cannot be read."""
    try:
        convert = _read(profile)
    except (struct.error, ValueError, IndexError, OverflowError):
        return None
    if convert is None or not (np.isfinite(convert.light).all() and np.isfinite(convert.matrix).all()):
        return None
    levels = np.linspace(0, 255, 9).astype(np.uint8)
    colors = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)
    change = np.abs(convert(colors).astype(float) - colors)
    return convert if change.mean() >= _VISIBLE else None


def _read(profile: bytes) -> _Conversion | None:
    """Return what a profile says; None where it is not of RGB with a matrix.

    Raises:
        struct.error, ValueError: it is damaged.
    """
    if profile[36:40] != b"acsp" or profile[16:24] != b"RGB XYZ ":
        return None
    tags = _tags(profile)
    if not all(f"{channel}{what}".encode() in tags for channel in "rgb" for what in ("XYZ", "TRC")):
        return None
    primaries = np.stack([_xyz(tags[f"{channel}XYZ".encode()]) for channel in "rgb"], axis=1)
    light = np.stack([_curve(tags[f"{channel}TRC".encode()]) for channel in "rgb"], axis=1)
    matrix = _SRGB_FROM_XYZ @ primaries
    whites = matrix.sum(axis=1, keepdims=True)
    if whites.min() < _LEAST_WHITE:
        raise ValueError("its white is a colour")
    # White is white, also of screens whose profile was made for another one.
    return _Conversion(light.astype(np.float32), (matrix / whites).astype(np.float32))


def _tags(profile: bytes) -> dict[bytes, bytes]:
    (n,) = struct.unpack_from(">I", profile, _HEADER)
    first = _HEADER + 4
    if n > (len(profile) - first) // _TAG:
        raise ValueError("more tags than bytes")
    entries = (struct.unpack_from(">4sII", profile, first + _TAG * k) for k in range(n))
    return {name: profile[start : start + size] for name, start, size in entries}


def _xyz(tag: bytes) -> Float64[np.ndarray, "3"]:
    if tag[:4] != b"XYZ ":
        raise ValueError("not XYZ")
    return np.array(struct.unpack_from(">3i", tag, 8)) / 65536


def _curve(tag: bytes) -> Float64[np.ndarray, "256"]:
    """Return the light of 256 values."""
    x = np.linspace(0, 1, 256)
    if tag[:4] == b"para":
        return _parametric(x, tag)
    if tag[:4] != b"curv":
        raise ValueError("no curve")
    (n,) = struct.unpack_from(">I", tag, 8)
    if n == 0:
        return x
    if n == 1:
        return np.power(x, struct.unpack_from(">H", tag, 12)[0] / 256)
    table = np.frombuffer(tag, ">u2", n, 12) / 65535
    return np.interp(x, np.linspace(0, 1, n), table)


def _parametric(x: Float64[np.ndarray, " n"], tag: bytes) -> Float64[np.ndarray, " n"]:
    """Return the light of values by a parametric curve."""
    (kind,) = struct.unpack_from(">H", tag, 8)
    if kind >= len(_N_PARAMETERS):
        raise ValueError("a curve of an unknown type")
    values = [value / 65536 for value in struct.unpack_from(f">{_N_PARAMETERS[kind]}i", tag, 12)]
    g, a, b, c, d, e, f = (values + [1.0, 0.0, 0.0, 0.0, 0.0, 0.0][len(values) - 1 :])[:7]
    if kind in (1, 2):  # the power begins where it is 0, and c is added to both parts
        if a == 0:
            raise ValueError("a curve that does not rise")
        c, d, e, f = 0.0, -b / a, c if kind == 2 else 0.0, c if kind == 2 else 0.0
    with np.errstate(all="ignore"):  # what is not finite is refused
        power = np.power(np.maximum(a * x + b, 0), g) + e
        return np.clip(np.where(x >= d, power, c * x + f), 0, 1)


@lru_cache(maxsize=1)
def _srgb_codes() -> UInt8[np.ndarray, "65536"]:
    """Return the 8-bit code of each amount of light."""
    light = np.linspace(0, 1, _STEPS)
    code = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.power(light, 1 / 2.4) - 0.055)
    return np.rint(255 * code).astype(np.uint8)
