"""Picture files to RGB arrays and back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from jaxtyping import UInt8, UInt16

from tddfa.errors import ImageFileError, InputError
from tddfa.files import atomic_write
from tddfa.types import Image

Pixels: TypeAlias = UInt8[np.ndarray, "..."] | UInt16[np.ndarray, "..."]
"""What can be written: RGB (h, w, 3), RGBA (h, w, 4) or one channel (h, w)."""

_READABLE = "JPEG, PNG, WebP, TIFF, BMP, GIF"

# First bytes → format, for messages that say what a file is rather than what its name claims.
_SIGNATURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"RIFF": "WebP",
    b"%PDF": "PDF",
}


def read_image(path: str | os.PathLike[str]) -> Image:
    """The picture in a file, upright: RGB, (height, width, 3), uint8.

    The orientation in the EXIF data is applied. Grey pictures are repeated over the channels, palettes and
    CMYK converted, 16-bit values scaled to 8, transparency dropped; an animation gives its first frame.

    Args:
        path: JPEG, PNG, WebP, TIFF, BMP or GIF.

    Raises:
        ImageFileError: the file is missing, empty, truncated or not a picture.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ImageFileError(f"no such file: {path}") from None
    except IsADirectoryError:
        raise ImageFileError(f"{path} is a folder, not a picture") from None
    except OSError as error:
        raise ImageFileError(f"cannot read {path}: {error.strerror}") from error
    if not data:
        raise ImageFileError(f"{path} is empty (0 bytes)")
    return decode_image(data, str(path))


def decode_image(data: bytes, name: str = "picture") -> Image:
    """The picture in the bytes of a file; as `read_image`.

    Args:
        data: the bytes of a JPEG, PNG, WebP, TIFF, BMP or GIF file.
        name: what error messages call it.

    Raises:
        ImageFileError: the bytes are truncated or no picture.
    """
    kind = next((k for magic, k in _SIGNATURES.items() if data.startswith(magic)), None)
    if kind == "JPEG" and not _jpeg_is_whole(data):
        # OpenCV would return the missing part as grey, without an error.
        raise ImageFileError(f"{name} is a truncated JPEG: its end is missing; copy or download it again")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:
        if "CV_IO_MAX_IMAGE" in str(error):
            raise ImageFileError(
                f"{name} is larger than OpenCV reads (2^30 pixels); shrink it first"
            ) from None
        image = None
    if image is None or image.size == 0:
        what = f"a damaged or truncated {kind} file" if kind else "no picture"
        raise ImageFileError(f"{name} is {what}; readable are {_READABLE}")
    return image.astype(np.uint8, copy=False)


def _jpeg_is_whole(data: bytes) -> bool:
    # The end-of-image marker of the picture itself, not of a thumbnail in its EXIF data: search behind the
    # last start-of-scan.
    scan = data.rfind(b"\xff\xda")
    return scan >= 0 and data.rfind(b"\xff\xd9") > scan


def encode_image(image: Pixels, extension: str, *, quality: int = 95) -> bytes:
    """The bytes of a picture file.

    Args:
        image: RGB (h, w, 3), RGBA (h, w, 4) or one channel (h, w), uint8 or (PNG, TIFF) uint16.
        extension: "jpg", "png", …: the format.
        quality: of JPEG and WebP, 1 to 100.

    Raises:
        InputError: the format cannot be written.
    """
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
    try:
        done, data = cv2.imencode(f".{extension}", image, options)
    except cv2.error:
        done, data = False, np.empty(0, np.uint8)
    if not done:
        raise InputError(f"cannot write pictures as {extension!r}; use jpg, png, webp, tiff or bmp")
    return data.tobytes()


def write_image(path: str | os.PathLike[str], image: Pixels, *, quality: int = 95) -> None:
    """Write a picture; the format is that of the file's extension.

    Args:
        path: ends in .jpg, .png, .webp, .tiff or .bmp.
        image: RGB (h, w, 3), RGBA (h, w, 4) or one channel (h, w), uint8 or (PNG, TIFF) uint16.
        quality: of JPEG and WebP, 1 to 100.

    Raises:
        InputError: the format cannot be written.
        ImageFileError: the file cannot be written; nothing is left behind.
    """
    path = Path(path)
    data = encode_image(image, path.suffix.lower().removeprefix("."), quality=quality)
    try:
        atomic_write(path, data)
    except OSError as error:
        raise ImageFileError(f"cannot write {path}: {error.strerror}") from error
