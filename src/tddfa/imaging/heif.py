"""Decode HEIC and AVIF images: their pixels are frames of video codecs. Only `video/` uses PyAV otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np

from tddfa.imaging.formats.header import DamagedImageError, UnreadableImageError
from tddfa.imaging.formats.heif import HeifImage, Tile
from tddfa.imaging.yuv import ColorTags, frame_to_rgb
from tddfa.types import Image

_JPEG_RANGE, _MPEG_RANGE = 2, 1  # FFmpeg's numbers
_MAX_TILE_PIXELS = 1 << 28


def decode_heif(image: HeifImage) -> Image:
    """Return the pixels of a HEIF image, upright.

    Raises:
        DamagedImageError: a tile cannot be decoded.
        UnreadableImageError: this build of FFmpeg has no decoder for it.
    """
    first = _decode(image.tiles[0], image)
    alone = len(image.tiles) == 1
    pixels = first[: image.height, : image.width] if alone else _joined(first, image)
    for step, value in image.steps:
        if step == "turn":
            assert isinstance(value, int)
            pixels = np.rot90(pixels, value)
        elif step == "mirror":
            pixels = np.fliplr(pixels) if value == 0 else np.flipud(pixels)
        else:
            assert isinstance(value, tuple)
            x0, y0, x1, y1 = value
            pixels = pixels[y0:y1, x0:x1]
    if pixels.size == 0:
        raise DamagedImageError("a damaged HEIF file: it shows no pixel")
    return np.ascontiguousarray(pixels)


def _joined(first: Image, image: HeifImage) -> Image:
    """Return the grid of tiles, of which the first is decoded already."""
    height, width = first.shape[:2]
    rows = len(image.tiles) // image.columns
    if width * image.columns < image.width or height * rows < image.height:
        raise DamagedImageError("a damaged HEIF file: its tiles do not fill its size")
    out = np.zeros((image.height, image.width, 3), np.uint8)
    for k, tile in enumerate(image.tiles):
        y, x = height * (k // image.columns), width * (k % image.columns)
        space = out[y : y + height, x : x + width]
        if not space.size:
            continue
        pixels = first if k == 0 else _decode(tile, image)
        if pixels.shape != first.shape:
            raise DamagedImageError("a damaged HEIF file: its tiles differ in size")
        space[:] = pixels[: space.shape[0], : space.shape[1]]
    return out


def _decode(tile: Tile, image: HeifImage) -> Image:
    import av
    from av.error import FFmpegError

    try:
        decoder: Any = _decoder(tile.codec)
        decoder.options = {"max_pixels": str(_MAX_TILE_PIXELS)}
        decoder.thread_count = 1
        if tile.configuration:
            decoder.extradata = tile.configuration
        frames: list[Any] = [*decoder.decode(av.Packet(tile.data)), *decoder.decode(None)]
    except (FFmpegError, ValueError, EOFError):
        frames = []
    if not frames:
        raise DamagedImageError("a damaged or truncated HEIF file: its image cannot be decoded")
    try:
        tags = None if image.colors is None else ColorTags(*image.colors)
        return frame_to_rgb(frames[0], tags=tags, profile=image.profile)
    except ValueError as error:
        raise UnreadableImageError(
            f"a HEIF image that cannot be read: {error}; save it as JPEG or PNG"
        ) from None


def _decoder(codec: str) -> Any:
    import av
    from av.codec.codec import UnknownCodecError

    # FFmpeg's own AV1 decoder needs hardware.
    for name in ("libdav1d", "libaom-av1") if codec == "av1" else (codec,):
        try:
            return av.CodecContext.create(name, "r")
        except (UnknownCodecError, ValueError):
            continue
    raise UnreadableImageError(
        f"a HEIF image coded as {codec}, which this build of FFmpeg does not decode; save it as JPEG or PNG"
    )
