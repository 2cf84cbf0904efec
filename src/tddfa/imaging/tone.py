"""High dynamic range and wide gamut to the colours of an 8-bit RGB image.

Values are decoded to light, highlights are rolled off so that reference white (203 cd/m²) becomes white,
primaries (BT.2020, Display P3) are converted to those of BT.709, and the result is coded again. Everything
but the primaries is a table of one channel.
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache

import numpy as np

from tddfa.imaging.opencv import cv2
from tddfa.shapes import Float32, Float64, UInt8, UInt16
from tddfa.types import Image

# Light of reference white in an HDR image, cd/m². Source: ITU-R BT.2408-7, table 1.
_WHITE = 203.0
# Light that the brightest highlights are taken to have, cd/m²: most material is graded for it, and HLG's
# nominal peak.
_PEAK = 1000.0

# Linear light of wide primaries, as numbered in ITU-T H.273, → BT.709. Source: ITU-R BT.2087-0 for BT.2020;
# for Display P3 (SMPTE EG 432-1) from the chromaticities of both, whose white is the same.
_TO_BT709 = {
    9: np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]),
    12: np.array([[1.2249, -0.2249, 0.0], [-0.0421, 1.0421, 0.0], [-0.0196, -0.0786, 1.0983]]),
}
_STEPS = 1 << 16


class Transfer(Enum):
    """How light is coded as numbers."""

    SDR = "standard range, display gamma 2.4"
    PQ = "perceptual quantizer, SMPTE ST 2084"
    HLG = "hybrid log-gamma, ITU-R BT.2100"


def needs_mapping(transfer: Transfer, primaries: int) -> bool:
    """Return whether values mean something else than those of an 8-bit RGB image.

    Args:
        transfer: how they code light.
        primaries: as numbered in ITU-T H.273.
    """
    return primaries in _TO_BT709 or transfer is not Transfer.SDR


def tone_mapped(values: UInt16[np.ndarray, "h w 3"], transfer: Transfer, primaries: int) -> Image:
    """Return 16-bit R'G'B' as 8-bit RGB of standard range and BT.709 primaries.

    Args:
        values: full range, 65535 is the largest code.
        transfer: how they code light.
        primaries: as numbered in ITU-T H.273; others than wide ones are taken for those of BT.709.
    """
    light = look_up(values, _light(transfer))
    if primaries in _TO_BT709:
        # Negative light lies outside of BT.709: the nearest colour inside has none of that primary.
        light = cv2.transform(light, _TO_BT709[primaries].astype(np.float32))
    codes = np.clip(light * np.float32(_STEPS - 1), 0, _STEPS - 1).astype(np.uint16)
    return look_up(codes, _codes()).astype(np.uint8, copy=False)


def look_up(values: UInt16[np.ndarray, "h w 3"], table: np.ndarray) -> np.ndarray:
    """Return what a table of 65536 entries has for each value."""
    try:
        return np.asarray(cv2.LUT(values, table[None]))
    except cv2.error:  # before version 5 it looks up 8 bits only
        return table[values]


@lru_cache(maxsize=4)
def _light(transfer: Transfer) -> Float32[np.ndarray, "65536"]:
    """Return the light of each code, 1 for white; tone-mapped."""
    code = np.linspace(0, 1, _STEPS)
    if transfer is Transfer.SDR:
        return np.power(code, 2.4).astype(np.float32)
    shown = pq_light(code) if transfer is Transfer.PQ else hlg_light(code)
    return (_rolled_off(np.minimum(shown, _PEAK)) / _WHITE).astype(np.float32)


@lru_cache(maxsize=1)
def _codes() -> UInt8[np.ndarray, "65536"]:
    """Return the 8-bit code of each amount of light, for a display gamma of 2.4."""
    light = np.linspace(0, 1, _STEPS)
    return np.rint(255 * np.power(light, 1 / 2.4)).astype(np.uint8)


# Constants of the perceptual quantizer. Source: ITU-R BT.2100-2, table 4.
_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32


def pq_light(code: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """Return the light that PQ codes mean, cd/m²."""
    x = np.power(code, 1 / _M2)
    return 10_000 * np.power(np.maximum(x - _C1, 0) / (_C2 - _C3 * x), 1 / _M1)


def pq_code(light: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """Return the PQ codes of light in cd/m²; the inverse of `pq_light`."""
    y = np.power(light / 10_000, _M1)
    return np.power((_C1 + _C2 * y) / (1 + _C3 * y), _M2)


def hlg_light(code: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """Return the light that a display of 1000 cd/m² shows for grey HLG codes.

    Source: ITU-R BT.2100-2, table 5.
    """
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(code <= 0.5, code * code / 3, (np.exp((code - c) / a) + b) / 12)
    return 1000 * np.power(scene, 1.2)


def _rolled_off(light: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """Return light up to `_PEAK` as light up to `_WHITE`, unchanged where it is dark.

    Source: ITU-R BT.2390-10, section 5.4.1 (EETF): a Hermite spline above a knee, in PQ codes.
    """
    peak, white = pq_code(np.array([_PEAK, _WHITE]))
    e = pq_code(light) / peak
    top = white / peak
    knee = 1.5 * top - 0.5
    t = np.clip((e - knee) / (1 - knee), 0, 1)
    spline = (
        (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * top
    )
    return pq_light(np.where(e < knee, e, spline) * peak)
