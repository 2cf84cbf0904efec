"""Image files and bytes to RGB arrays, and back."""

from __future__ import annotations

import os
import re
import struct
from typing import TypeAlias

import numpy as np

from tddfa.errors import ImageFileError, InputError
from tddfa.files import atomic_write
from tddfa.imaging.decoders import DECODERS
from tddfa.imaging.formats import (
    READABLE,
    UNREADABLE,
    DamagedImageError,
    ImageFormat,
    ImageHeader,
    UnreadableImageError,
    identify,
)
from tddfa.imaging.icc import as_srgb
from tddfa.imaging.opencv import cv2
from tddfa.imaging.orientation import apply_orientation
from tddfa.imaging.quiet import quiet_decoders
from tddfa.imaging.reading import ImageMemoryError, file_bytes, shortened
from tddfa.shapes import UInt8, UInt16
from tddfa.types import Image
from tddfa.types.arguments import as_path, check_count, shown

Pixels: TypeAlias = UInt8[np.ndarray, "..."] | UInt16[np.ndarray, "..."]
"""What can be written: RGB (h, w, 3), RGBA (h, w, 4) or one channel (h, w)."""

# Largest image that is decoded, px: 2^28 is 16384², more than any camera takes, and 0.8 GB as RGB.
MAX_PIXELS = 1 << 28
_MAX_SIDE = 1 << 20  # px that OpenCV decodes
_MAX_PIXELS_VARIABLE = "TDDFA_MAX_PIXELS"

_URL = re.compile(r"(?i)data:|[a-z][a-z0-9+.-]+:/")  # one letter is a drive; pathlib takes one / away
_WRITABLE = ("jpg", "jpeg", "png", "webp", "tif", "tiff", "bmp")


def read_image(path: str | os.PathLike[str], *, max_pixels: int | None = None) -> Image:
    """Return the image in a file, upright: RGB, (height, width, 3), uint8.

    The orientation in the file is applied. Colours of profiles (Display P3 of phones, Adobe RGB, screens) are
    converted to sRGB, unless the profile is one of tables or of inks. Grey images are repeated over the
    channels, palettes and CMYK converted, wider samples scaled to 8 bits and transparency is dropped; colours
    that a TIFF stores multiplied by their alpha stay so. An animation gives its first frame, a motion photo
    its photo, a TIFF its first page that is no thumbnail.

    High dynamic range of HEIC and AVIF is tone-mapped. Floats are taken from 0…1, or from 0…255 or 0…65535
    when more than 1 % of those above 0 exceed the smaller range; the brightest 1 % is clipped. Light of high
    dynamic range (Radiance HDR above 1, other floats of which 99 % are from 1 to 16) is scaled so that its
    99th percentile becomes white, without a gamma curve.

    Args:
        path: JPEG, PNG, WebP, HEIC, AVIF, TIFF, BMP, GIF, JPEG 2000 or PNM.
        max_pixels: the largest image to decode, px; when not given, the environment variable
            TDDFA_MAX_PIXELS, or 2^28.

    Raises:
        ImageFileError: the file is missing, empty, truncated, too large or not an image.
        InputError: `path` is no path.
    """
    if isinstance(path, (bytes, bytearray, memoryview)):
        raise InputError("read_image needs a path; for the bytes of a file use tddfa.decode_image")
    try:
        name = os.fspath(path)
    except TypeError:
        raise InputError(
            f"read_image needs a path, not {type(path).__name__}; for the bytes of a file use "
            "tddfa.decode_image"
        ) from None
    if _URL.match(name) and not os.path.lexists(name):
        raise ImageFileError(
            f"{shortened(name)} is a URL, and images are not downloaded; save it first, or give its bytes to "
            "tddfa.decode_image"
        )
    return decode_image(file_bytes(name), name, max_pixels=max_pixels)


def decode_image(
    data: bytes | bytearray | memoryview, name: str = "image", *, max_pixels: int | None = None
) -> Image:
    """Return the image in the bytes of a file, as `read_image` does.

    Args:
        data: the bytes of an image file: of an upload, a download, an archive. Decode base64 text first.
        name: what error messages call it.
        max_pixels: as in `read_image`.

    Raises:
        ImageFileError: the bytes are truncated, too large an image, or no image.
        InputError: `data` is not bytes.
    """
    data = _as_bytes(data)
    if not data:
        raise ImageFileError(f"{name} is empty (0 bytes)")
    fmt = identify(data)
    if fmt is None:
        raise ImageFileError(f"{name} is {_what(data)}; readable are {READABLE}")
    try:
        header = _inspected(fmt, data)
        _check_size(name, header.width, header.height, max_pixels)
        image = DECODERS[fmt.decode](header)
        if fmt.decode != "heif" and image.shape[:2] != (header.height, header.width):
            raise DamagedImageError("")  # a decoder gave up, or the file names two sizes
        return apply_orientation(as_srgb(image, header.profile), header.orientation)
    except DamagedImageError as error:
        text = str(error) or f"a damaged or truncated {fmt.name} file"
        raise ImageFileError(f"{name} is {text}") from None
    except UnreadableImageError as error:
        raise ImageFileError(f"{name} is {error}") from None
    except MemoryError:
        raise _no_memory(name, fmt) from None


def image_size(data: bytes | bytearray | memoryview) -> tuple[int, int] | None:
    """Return width and height (px, upright) of the image in the bytes of a file, without decoding it.

    Args:
        data: the bytes of an image file.

    Returns:
        None when they are no image, or one that is damaged.
    """
    data = _as_bytes(data)
    fmt = identify(data)
    try:
        header = _inspected(fmt, data) if fmt is not None else None
    except (DamagedImageError, UnreadableImageError):
        return None
    if header is None:
        return None
    return (header.height, header.width) if header.orientation >= 5 else (header.width, header.height)


def pixel_limit(max_pixels: int | None = None) -> int:
    """Return the largest number of pixels of an image or video frame that is decoded.

    Args:
        max_pixels: what the caller gave.

    Raises:
        InputError: it, or the environment variable TDDFA_MAX_PIXELS, is not a positive whole number.
    """
    given: object = max_pixels if max_pixels is not None else os.environ.get(_MAX_PIXELS_VARIABLE, MAX_PIXELS)
    try:
        limit = int(given)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        limit = 0
    if limit <= 0:
        where = "max_pixels" if max_pixels is not None else _MAX_PIXELS_VARIABLE
        raise InputError(f"{where} is {shown(given)}; give a number of pixels above 0")
    return limit


def encode_image(image: Pixels, extension: str, *, quality: int = 95) -> bytes:
    """Return the bytes of an image file.

    Args:
        image: RGB (h, w, 3), RGBA (h, w, 4) or one channel (h, w), uint8 or (PNG, TIFF) uint16.
        extension: the format: jpg, png, webp, tiff or bmp.
        quality: of JPEG and WebP, 1 to 100.

    Raises:
        InputError: the format cannot be written, or the array is no image.
    """
    extension = extension.lower().removeprefix(".")
    if extension not in _WRITABLE:
        raise InputError(f"cannot write images as {extension!r}; use jpg, png, webp, tiff or bmp")
    image = _checked_pixels(image, extension)
    check_count("quality", quality, 100)
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGBA2BGRA if image.shape[2] == 4 else cv2.COLOR_RGB2BGR)
    options: list[int] = []
    if extension in ("jpg", "jpeg"):
        options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    elif extension == "webp":
        options = [cv2.IMWRITE_WEBP_QUALITY, quality]
    elif extension == "png":
        # Level 1 writes four times faster than the default and is 10 % larger.
        options = [cv2.IMWRITE_PNG_COMPRESSION, 1]
    with quiet_decoders():
        try:
            done, data = cv2.imencode(f".{extension}", image, options)
        except cv2.error:
            done, data = False, np.empty(0, np.uint8)
    if not done:
        height, width = image.shape[:2]
        raise InputError(
            f"cannot write an image of {width} × {height} px as {extension}; PNG takes larger ones"
        )
    return data.tobytes()


def write_image(path: str | os.PathLike[str], image: Pixels, *, quality: int = 95) -> None:
    """Write an image; the format is that of the file's extension.

    Args:
        path: ends in .jpg, .png, .webp, .tiff or .bmp.
        image: RGB (h, w, 3), RGBA (h, w, 4) or one channel (h, w), uint8 or (PNG, TIFF) uint16.
        quality: of JPEG and WebP, 1 to 100.

    Raises:
        InputError: the format cannot be written, or the array is no image.
        ImageFileError: the file cannot be written; nothing is left behind.
    """
    path = as_path("path", path)
    data = encode_image(image, path.suffix, quality=quality)
    try:
        atomic_write(path, data)
    except OSError as error:
        raise ImageFileError(f"cannot write {path}: {error.strerror}") from error


def _inspected(fmt: ImageFormat, data: bytes) -> ImageHeader:
    try:
        return fmt.inspect(data)
    except (struct.error, IndexError, KeyError, OverflowError, RecursionError, ValueError):
        # A length or an offset that leads out of the file, in a place that no rule of the format names.
        raise DamagedImageError(f"a damaged or truncated {fmt.name} file") from None


def _as_bytes(data: object) -> bytes:
    if isinstance(data, bytes):
        return data
    if isinstance(data, (bytearray, memoryview)):
        return bytes(data)
    if isinstance(data, np.ndarray) and data.dtype == np.uint8 and data.ndim == 1:
        return data.tobytes()  # as np.fromfile gives a file
    hint = {
        True: "; decode base64 text first: decode_image(base64.b64decode(text))",
        False: "; give the bytes of a file, such as file.read()",
    }[isinstance(data, str)]
    raise InputError(f"decode_image needs bytes, not {type(data).__name__}{hint}")


def _check_size(name: str, width: int, height: int, max_pixels: int | None) -> None:
    limit = pixel_limit(max_pixels)
    if width * height > limit:
        raise ImageFileError(
            f"{name} has {width} × {height} pixels, more than the limit of {limit}; shrink it, or raise the "
            f"limit with {_MAX_PIXELS_VARIABLE}"
        )
    if max(width, height) > _MAX_SIDE:
        raise ImageFileError(
            f"{name} has {width} × {height} pixels, and a side longer than {_MAX_SIDE} is not read; cut it "
            "into parts"
        )
    # Decoders hold the image and a copy. They report a lack of memory as damage, so it is asked for here.
    np.empty((2, height, width, 3), np.uint8)


def _no_memory(name: str, fmt: ImageFormat) -> ImageMemoryError:
    return ImageMemoryError(
        f"not enough memory to decode {name} ({fmt.name}); close other programs or shrink the image"
    )


def _what(data: bytes) -> str:
    """Return what a file that is no readable image is."""
    head = data.lstrip()[:64] if data[:1] in b" \t\r\n\xef" else data[:192]
    for at, signature, what in UNREADABLE:
        if head[at : at + len(signature)] == signature:
            return what
    return "no image"


def _checked_pixels(image: object, extension: str) -> np.ndarray:
    if not isinstance(image, np.ndarray):
        raise InputError(f"an image to write is a NumPy array, not {type(image).__name__}")
    fits = (image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (3, 4))) and image.size > 0
    if not fits or image.dtype not in (np.uint8, np.uint16):
        raise InputError(
            f"cannot write an array of shape {image.shape} and type {image.dtype}; an image is RGB (h, w, 3),"
            " RGBA (h, w, 4) or grey (h, w), uint8 or uint16"
        )
    if image.dtype == np.uint16 and extension not in ("png", "tif", "tiff"):
        raise InputError(f"{extension} holds 8 bits per channel; write uint16 as png or tiff, or convert it")
    return np.ascontiguousarray(image)
