"""Decoded frames to RGB: which colours their numbers mean.

A frame says its matrix, range, primaries and transfer with the numbers of ITU-T H.273; FFmpeg applies the
first two, and `tone.py` turns high dynamic range and wide gamut into what an 8-bit RGB image shows.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.imaging.icc import as_srgb
from tddfa.imaging.tone import Transfer, needs_mapping, tone_mapped
from tddfa.types import Image

_UNSPECIFIED = 2
_FULL, _LIMITED = 2, 1  # FFmpeg's color_range
_TRANSFERS = {16: Transfer.PQ, 18: Transfer.HLG}
_WORTH_THREADS_PX = 1_000_000


@dataclass(frozen=True, slots=True)
class ColorTags:
    """How to read the numbers of a frame.

    Attributes:
        primaries: ITU-T H.273, table 2.
        transfer: table 3.
        matrix: table 4.
        full_range: whether 0 and the largest value are black and white.
    """

    primaries: int
    transfer: int
    matrix: int
    full_range: bool


def frame_to_rgb(
    frame: Any, *, width: int = 0, height: int = 0, tags: ColorTags | None = None, profile: bytes = b""
) -> Image:
    """Return a decoded frame as 8-bit RGB; high dynamic range is tone-mapped.

    Args:
        frame: of PyAV.
        width: px to scale to; 0 for the frame's own.
        height: px to scale to; 0 for the frame's own.
        tags: what the container says of its colours; it wins over the frame's own.
        profile: an ICC profile of its colours; it wins over primaries, and is left out where high dynamic
            range is tone-mapped.
    """
    if tags is not None:
        frame.color_range = _FULL if tags.full_range else _LIMITED
        if tags.matrix != _UNSPECIFIED:
            frame.colorspace = tags.matrix
    curve, primaries = _meaning(frame, tags)
    size = {"width": width or frame.width, "height": height or frame.height}
    profiled = bool(profile) and curve is Transfer.SDR
    if profiled or not needs_mapping(curve, primaries):
        image: Image = np.ascontiguousarray(_converted(frame, "rgb24", size))
        return as_srgb(image, profile) if profiled else image
    return tone_mapped(_converted(frame, "rgb48le", size), curve, primaries)


def scaler_options(frame: Any, width: int, height: int) -> dict[str, int]:
    """Return options of PyAV's conversion of a frame to a size: small ones need no threads.

    Starting threads for them takes longer than the conversion.
    A frame of 640 × 360 takes 0.66 ms of processor time with threads and 0.22 ms without; one of 1920 × 1080
    is there sooner with them.
    """
    return {"threads": 1} if width * height < _WORTH_THREADS_PX and _takes_threads(type(frame)) else {}


@cache
def _takes_threads(make: Any) -> bool:
    """Return whether frames of this class, of this version of PyAV, can be told the number of threads."""
    try:
        make(2, 2, "rgb24").reformat(format="yuv420p", threads=1)
    except TypeError:
        return False
    return True


def _converted(frame: Any, pixels: str, size: dict[str, int]) -> np.ndarray:
    """Return a frame in another pixel format; a matrix that FFmpeg does not know counts as not given.

    Raises:
        ValueError: this build of FFmpeg cannot convert it.
    """
    # FFmpeg takes every grey frame for one of full range.
    limited_grey = frame.format.name.startswith("gray") and int(frame.color_range) == _LIMITED
    try:
        out = frame.to_ndarray(format=pixels, **size, **scaler_options(frame, **size))
    except MemoryError:
        raise
    except Exception:  # FFmpeg's errors have no common ancestor of Python's but this
        frame.colorspace = _UNSPECIFIED
        try:
            out = frame.to_ndarray(format=pixels, **size, **scaler_options(frame, **size))
        except MemoryError:
            raise
        except Exception as error:
            raise ValueError(f"its pixels ({frame.format.name}) cannot be converted: {error}") from None
    return _full_range(out) if limited_grey else out


def _full_range(values: np.ndarray) -> np.ndarray:
    """Return luma of 16…235 (of 8 bits; as a part of any other range) as values of the full range."""
    top = np.iinfo(values.dtype).max
    black = 16 * ((top + 1) >> 8)
    scaled = (values.astype(np.float32) - np.float32(black)) * np.float32(top / (219 * ((top + 1) >> 8)))
    return np.rint(np.clip(scaled, 0, top)).astype(values.dtype)


def is_plain(frame: Any) -> bool:
    """Return whether a frame holds what an 8-bit 4:2:0 video of standard range holds."""
    return frame.format.name == "yuv420p" and not needs_mapping(*_meaning(frame, None))


def _meaning(frame: Any, tags: ColorTags | None) -> tuple[Transfer, int]:
    """Return how a frame's numbers code light, and of which primaries."""
    primaries = int(tags.primaries if tags is not None else getattr(frame, "color_primaries", _UNSPECIFIED))
    transfer = int(tags.transfer if tags is not None else getattr(frame, "color_trc", _UNSPECIFIED))
    return _TRANSFERS.get(transfer, Transfer.SDR), primaries
