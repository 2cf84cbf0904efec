"""Decoders by name: the bytes of an image, whose header is known, to stored RGB pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from tddfa.imaging.formats import DamagedImageError, ImageHeader, UnreadableImageError
from tddfa.imaging.opencv import cv2
from tddfa.imaging.quiet import quiet_decoders
from tddfa.types import Image

# The orientation is applied by the caller, alike for every format.
_COLOR = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION


def _decode_color(header: ImageHeader) -> Image:
    image = _opencv(header, _COLOR)
    if image is None:
        raise DamagedImageError("")
    return image.astype(np.uint8, copy=False)


def _decode_deep(header: ImageHeader) -> Image:
    """Decode images whose samples may be floats or wide integers."""
    samples, bits = header.details or (1, 8)
    if samples == 1 and bits <= 16:
        image = _opencv(header, _COLOR)
        if image is not None and image.dtype == np.uint8:
            return image
    image = _opencv(header, cv2.IMREAD_UNCHANGED)
    if image is None:
        if samples == 3 and bits not in (32, 64):
            raise UnreadableImageError(
                f"a TIFF of {bits}-bit floats, which cannot be read; save it as 32-bit"
            )
        raise DamagedImageError("")
    return to_uint8(_as_rgb(image))


def _decode_heif(header: ImageHeader) -> Image:
    from tddfa.imaging.heif import decode_heif

    return decode_heif(header.details)


DECODERS: Mapping[str, Callable[[ImageHeader], Image]] = {
    "color": _decode_color,
    "deep": _decode_deep,
    "heif": _decode_heif,
}


def _opencv(header: ImageHeader, flags: int) -> np.ndarray | None:
    # OpenCV takes the last number of a PNM file in ASCII only with white space behind it.
    data = bytes(header.data) + b"\n" if bytes(header.data[:2]) in (b"P1", b"P2", b"P3") else header.data
    with quiet_decoders():
        try:
            image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except cv2.error as error:
            if error.code == cv2.Error.StsNoMem:
                raise MemoryError from None
            return None
    return None if image is None or image.size == 0 else np.asarray(image)


def _as_rgb(image: np.ndarray) -> np.ndarray:
    """Return three channels of OpenCV's one (grey), two (grey, alpha), three (BGR) or four (BGRA)."""
    if image.ndim == 2 or image.shape[2] <= 2:
        grey = image if image.ndim == 2 else image[..., 0]
        return np.repeat(grey[..., None], 3, axis=2)
    return image[..., 2::-1]


def to_uint8(values: np.ndarray) -> Image:
    """Return samples of any type as 8 bits.

    Unsigned integers scale from their own range, signed ones from 0 to their largest value. Floats are taken
    in the smallest of the ranges 0…1, 0…255 and 0…65535 that holds them, integers of 32 and 64 bits, into
    which programs widen others, in the smallest of the last two; what is no number or negative is 0.
    """
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    if values.dtype.kind in "iu":
        top = float(np.iinfo(values.dtype).max)
        if values.dtype == np.uint16:
            return np.ascontiguousarray((values >> 8).astype(np.uint8))
        if values.dtype.itemsize > 2:
            largest = int(values.max(initial=0))
            top = next((t for t in (255.0, 65535.0) if largest <= t), top)
    else:
        values = np.nan_to_num(values.astype(np.float32, copy=False), nan=0.0, posinf=0.0, neginf=0.0)
        largest = float(values.max(initial=0.0))
        # Sharpening and resampling overshoot: a little above a range still belongs to it.
        top = next((t for t in (1.0, 255.0, 65535.0) if largest <= 1.05 * t), max(largest, 1.0))
    return np.rint(np.clip(values, 0, top).astype(np.float32) * np.float32(255 / top)).astype(np.uint8)
