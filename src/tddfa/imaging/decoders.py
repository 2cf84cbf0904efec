"""Decoders by name: the bytes of an image, whose header is known, to stored RGB pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from tddfa.imaging.bits import unpacked
from tddfa.imaging.bmp import decode_bitmap
from tddfa.imaging.formats import (
    DamagedImageError,
    ImageHeader,
    PackedSamples,
    Samples,
    UnreadableImageError,
)
from tddfa.imaging.formats.jpeg2000 import Channels
from tddfa.imaging.formats.tiff import unreadable_compression
from tddfa.imaging.opencv import cv2
from tddfa.imaging.quiet import quiet_decoders
from tddfa.types import Image

# The orientation is applied by the caller, alike for every format.
_COLOR = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION

# Brightest sample of an image in 0…255 that is too dark to show anything: floats that stay below it are
# taken for light of high dynamic range instead.
_DARKEST_WHITE = 16.0


def _decode_color(header: ImageHeader) -> Image:
    image = _opencv(header, _COLOR)
    if image is None:
        raise DamagedImageError("")
    return image.astype(np.uint8, copy=False)


def _decode_jpeg2000(header: ImageHeader) -> Image:
    channels: Channels = header.details
    as_stored = channels.cmyk or channels.ycc
    image = None if as_stored else _opencv(header, _COLOR)
    if image is not None and image.dtype == np.uint8:
        return image
    stored = _opencv(header, cv2.IMREAD_UNCHANGED)
    if stored is None:
        if channels.rare:
            raise UnreadableImageError(
                f"a JPEG 2000 image {channels.rare}, which cannot be read; save it as PNG"
            )
        raise DamagedImageError("")
    if as_stored and (stored.ndim != 3 or stored.shape[2] < (4 if channels.cmyk else 3)):
        raise DamagedImageError("")
    if channels.cmyk:
        return _rgb_of_inks(stored[..., [2, 1, 0, 3]], channels.white)
    image = to_uint8(_as_rgb(stored), channels.white)
    if channels.ycc:
        image = cv2.cvtColor(np.ascontiguousarray(image[..., [0, 2, 1]]), cv2.COLOR_YCrCb2RGB)
    return image.astype(np.uint8, copy=False)


def _decode_tiff(header: ImageHeader) -> Image:
    samples: Samples = header.details
    try:
        if samples.unreadable:
            raise DamagedImageError
        image = _tiff_pixels(header, samples)
    except DamagedImageError:
        if samples.compression:
            raise UnreadableImageError(unreadable_compression(samples.compression)) from None
        is_other_float = samples.kind == 3 and samples.bits not in (32, 64) and not samples.halves
        if is_other_float and not samples.unreadable:
            raise UnreadableImageError(
                f"a TIFF of {samples.bits}-bit floats, which cannot be read; save it as 32-bit"
            ) from None
        if samples.unreadable or (
            samples.packed is None and samples.blank is not None and not _reads(samples.blank())
        ):
            advice = ", without tiles" if "tiles" in samples.layout else ""
            raise UnreadableImageError(
                f"a TIFF with {samples.layout}, which cannot be read; save it as RGB or grey of 8 or 16 bits"
                f"{advice}"
            ) from None
        raise
    return 255 - image if samples.white_is_zero else image


def _tiff_pixels(header: ImageHeader, samples: Samples) -> Image:
    if samples.inks:
        return _rgb_of_inks(_stored_inks(header, samples), 65535.0)
    if samples.kind == 1 and samples.bits <= 16:
        image = _opencv(header, _COLOR) if not samples.planes else _joined(samples, _COLOR)
        if image is not None and image.dtype == np.uint8:
            _check_strips(image, samples)
            return image
    if not samples.planes:
        stored = _opencv(header, cv2.IMREAD_UNCHANGED)
        if stored is None and samples.packed is not None:
            return _unpacked(header, samples, samples.packed)
        if stored is None:
            raise DamagedImageError("")
        return to_uint8(_as_floats(_as_rgb(stored), samples))
    stored = _joined(samples, cv2.IMREAD_UNCHANGED)
    if stored is None:
        raise DamagedImageError("")
    return to_uint8(_as_floats(stored, samples))


def _as_floats(stored: np.ndarray, samples: Samples) -> np.ndarray:
    """Return samples as the floats that they are where they were decoded as integers.

    Raises:
        DamagedImageError: they were decoded as something else.
    """
    if not samples.halves:
        return stored
    if stored.dtype != np.uint16:
        raise DamagedImageError("")
    return np.ascontiguousarray(stored).view(np.float16)


def _stored_inks(header: ImageHeader, samples: Samples) -> np.ndarray:
    """Return cyan, magenta, yellow and black.

    Raises:
        DamagedImageError: they are not decoded.
    """
    if samples.planes:
        inks = _joined(samples, cv2.IMREAD_UNCHANGED)
    else:
        inks = _opencv(header, cv2.IMREAD_UNCHANGED)  # taken for red, green, blue, alpha, and turned around
        inks = inks[..., [2, 1, 0, 3]] if inks is not None and inks.shape[2:] == (4,) else None
    if inks is None or inks.dtype != np.uint16:
        raise DamagedImageError("")
    return inks


def _rgb_of_inks(inks: np.ndarray, most: float) -> Image:
    """Return RGB of cyan, magenta, yellow and black, of which `most` leaves no light."""
    left = 1 - inks.astype(np.float32) / np.float32(most)
    return to_uint8(left[..., :3] * left[..., 3:], 1.0)


def _unpacked(header: ImageHeader, samples: Samples, packed: PackedSamples) -> Image:
    """Return RGB of samples that are packed into bytes, which OpenCV decompresses.

    Raises:
        DamagedImageError: it does not.
    """
    grey = _imdecode(packed.bytes_as_grey(), cv2.IMREAD_UNCHANGED)
    damaged = samples.probe is not None and _imdecode(samples.probe(), cv2.IMREAD_UNCHANGED) is None
    if grey is None or damaged or grey.ndim != 2 or len(grey) != header.height:
        raise DamagedImageError("")
    rows = np.ascontiguousarray(grey).reshape(len(grey) * packed.n_tiles, -1)
    values = unpacked(rows, samples.bits, packed.width * packed.n_channels)
    values = values.reshape(len(grey), -1, packed.n_channels)[:, : header.width]
    if packed.palette:
        colors = np.array(packed.palette, np.uint16).reshape(3, -1).T
        if colors.max() > 255:  # others are stored by programs that take them for 8 bits, as libtiff does
            colors >>= 8
        return colors.astype(np.uint8)[values[..., 0]]
    shown = values[..., :3] if packed.n_channels >= 3 else np.repeat(values[..., :1], 3, axis=2)
    return to_uint8(shown, float((1 << samples.bits) - 1))


def _joined(samples: Samples, flags: int) -> np.ndarray | None:
    """Return RGB or CMYK of channels that are decoded one by one; None where one of them is not decoded."""
    channels: list[np.ndarray] = []
    for make in samples.planes:
        channel = _imdecode(make(), flags)
        if channel is None:
            return None
        channels.append(channel if channel.ndim == 2 else channel[..., 0])
    return np.stack(channels if len(channels) >= 3 else channels[:1] * 3, axis=-1)


def _reads(data: bytes) -> bool:
    """Return whether a TIFF is decoded."""
    return any(_imdecode(data, flags) is not None for flags in (_COLOR, cv2.IMREAD_UNCHANGED))


def _check_strips(image: Image, samples: Samples) -> None:
    """Raise `DamagedImageError` where the compressed bytes of a TIFF are damaged.

    OpenCV reads images of 8 bits with libtiff's RGBA interface, which leaves the rest of a damaged strip
    black and reports no error. It reads 16-bit images strip by strip, and those errors arrive. Decompressing
    twice takes twice the time (LZW, 12 megapixels: 0.8 s, then 1.7 s): only images that could be damaged
    are.
    """
    if samples.probe is None or not _may_be_damaged(image, samples.strip_rows):
        return
    if _imdecode(samples.probe(), cv2.IMREAD_UNCHANGED) is None:
        raise DamagedImageError(
            "a damaged TIFF file: a part of it cannot be decompressed; copy or download it again"
        )


def _may_be_damaged(image: Image, strip_rows: int) -> bool:
    """Return whether a strip ends with a black pixel, or where damage need not be black."""
    if strip_rows == 0:
        return True
    ends = [*range(strip_rows - 1, len(image) - 1, strip_rows), len(image) - 1]
    return not image[ends, -1].any(axis=1).all()


def _decode_pnm(header: ImageHeader) -> Image:
    return to_uint8(_stored(header), header.details)


def _decode_floats(header: ImageHeader) -> Image:
    return to_uint8(_stored(header))


def _decode_light(header: ImageHeader) -> Image:
    """Decode amounts of light, of which 1 is white; a brighter scene is exposed so that it fits."""
    if header.details:
        header = replace(header, data=_without_old_runs(header, header.details))
    values = _finite(_stored(header))
    return to_uint8(values, 1.0 if _fits(values, 1.0) else _bright(values))


def _without_old_runs(header: ImageHeader, start: int) -> bytes:
    """Return a Radiance file with each pixel stored for itself: OpenCV does not read runs of the old kind.

    A pixel of red, green and blue 1 repeats the one before it. Its exponent is the number, and that of a
    second one in a row the next higher byte of the number.

    Raises:
        DamagedImageError: these are not as many pixels as the header names.
    """
    data, n_pixels = bytes(header.data), header.width * header.height
    pixels = np.frombuffer(data, np.uint8, (len(data) - start) // 4 * 4, start).reshape(-1, 4)
    is_run = (pixels[:, :3] == 1).all(axis=1)
    at = np.arange(len(pixels))
    last = np.maximum.accumulate(np.where(is_run, -1, at))  # pixel that is shown there
    depth = np.minimum(at - last - 1, 7)
    counts = np.where(is_run, pixels[:, 3].astype(np.int64) << 8 * depth, 1)
    if not len(pixels) or last[0] < 0 or counts.max() > n_pixels or counts.sum() != n_pixels:
        raise DamagedImageError("")
    return data[:start] + pixels[np.repeat(last, counts)].tobytes()


def _decode_heif(header: ImageHeader) -> Image:
    from tddfa.imaging.heif import decode_heif

    return decode_heif(header.details)


def _decode_bmp(header: ImageHeader) -> Image:
    if header.details is None:  # compressed
        return _decode_color(header)
    return decode_bitmap(header.data, header.width, header.height, header.details)


DECODERS: Mapping[str, Callable[[ImageHeader], Image]] = {
    "color": _decode_color,
    "jpeg2000": _decode_jpeg2000,
    "tiff": _decode_tiff,
    "pnm": _decode_pnm,
    "floats": _decode_floats,
    "light": _decode_light,
    "bmp": _decode_bmp,
    "heif": _decode_heif,
}


def _stored(header: ImageHeader) -> np.ndarray:
    """Return the samples as they are stored, as RGB."""
    image = _opencv(header, cv2.IMREAD_UNCHANGED)
    if image is None:
        raise DamagedImageError("")
    return _as_rgb(image)


def _opencv(header: ImageHeader, flags: int) -> np.ndarray | None:
    # OpenCV takes the last number of a PNM file in ASCII only with white space behind it.
    data = bytes(header.data) + b"\n" if bytes(header.data[:2]) in (b"P1", b"P2", b"P3") else header.data
    return _imdecode(data, flags)


def _imdecode(data: bytes | memoryview, flags: int) -> np.ndarray | None:
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


def to_uint8(values: np.ndarray, white: float | None = None) -> Image:
    """Return samples of any type as 8 bits.

    Unsigned integers scale from their own range, signed ones from 0 to their largest value. Integers of 32
    and 64 bits, into which programs widen others, are taken in the smaller of the ranges 0…255 and 0…65535
    that holds them all. Floats are taken in the smallest of the ranges 0…1, 0…255 and 0…65535 that holds 99 %
    of those above 0. When that is 0…255 and 99 % are no larger than 16, they are light of high dynamic
    range, and their 99th percentile becomes white. What is brighter than white is white; what is no number,
    infinite or negative is 0.

    Args:
        values: of any shape.
        white: the value that becomes 255, where the file names it.
    """
    if white is not None:
        return _scaled(values, white)
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    if values.dtype == np.uint16:
        return np.ascontiguousarray((values >> 8).astype(np.uint8))
    if values.dtype.kind in "iu":
        return _scaled(values, _white_of_integers(values))
    values = _finite(values)
    return _scaled(values, _white_of_floats(values))


def _scaled(values: np.ndarray, white: float) -> Image:
    if white == 255 and values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    return np.rint(np.clip(values, 0, white).astype(np.float32) * np.float32(255 / white)).astype(np.uint8)


def _white_of_integers(values: np.ndarray) -> float:
    top = float(np.iinfo(values.dtype).max)
    if values.dtype.itemsize <= 2:
        return top
    largest = int(values.max(initial=0))
    return next((t for t in (255.0, 65535.0) if largest <= t), top)


def _white_of_floats(values: np.ndarray) -> float:
    white = next((t for t in (1.0, 255.0, 65535.0) if _fits(values, t)), None)
    if white is None or (white == 255.0 and _fits(values, _DARKEST_WHITE)):
        return _bright(values)
    return white


def _finite(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):  # doubles that no float holds are infinite
        floats = values.astype(np.float32, copy=False)
    return np.nan_to_num(floats, nan=0.0, posinf=0.0, neginf=0.0)


def _fits(values: np.ndarray, white: float) -> bool:
    """Return whether a range holds the samples above 0, but for the brightest 1 %: lamps and reflections."""
    # Sharpening and resampling overshoot: a little above a range still belongs to it.
    above = int(np.count_nonzero(values > 1.05 * white))
    return above == 0 or above <= 0.01 * int(np.count_nonzero(values > 0))


def _bright(values: np.ndarray) -> float:
    """Return the 99th percentile of the samples above 0, at least 1."""
    return max(float(np.percentile(values[values > 0], 99)), 1.0)
