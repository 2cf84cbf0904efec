"""Frames of animated images that FFmpeg does not read."""

from __future__ import annotations

import os

import numpy as np

from tddfa.errors import ImageFileError
from tddfa.imaging.files import decode_image, image_size, pixel_limit
from tddfa.imaging.formats import webp
from tddfa.imaging.opencv import cv2
from tddfa.imaging.quiet import quiet_decoders
from tddfa.imaging.reading import file_bytes
from tddfa.types import Image

_SHOWN_S = 0.1  # duration of a frame that has none, as browsers show it


def decode_animation(path: str | os.PathLike[str]) -> tuple[list[Image], list[float]]:
    """Return the images of an animated WebP file, and how long each shows, s; a still image is one.

    Raises:
        ImageFileError: the file is missing, damaged, or too large, or not all of its frames can be read.
    """
    name = os.fspath(path)
    data = file_bytes(name)
    still = decode_image(data, name)  # all that is wrong with it is said here
    n_frames = webp.n_frames(data)
    size = image_size(data)
    if n_frames < 2 or size is None:
        return [still], [_SHOWN_S]
    if size[0] * size[1] * n_frames > 4 * pixel_limit():
        raise ImageFileError(
            f"{name} has {n_frames} frames of {size[0]} × {size[1]} pixels, more than fit in memory"
        )
    with quiet_decoders():
        try:
            _, animation = cv2.imdecodeanimation(np.frombuffer(data, np.uint8)[None])  # OpenCV 4 wants a row
            n_read = len(animation.frames)
        except cv2.error:
            animation, n_read = None, 0
    if animation is None or n_read < n_frames:
        raise ImageFileError(
            f"{name} is a damaged WebP file: of its {n_frames} frames {n_read} can be read; copy or download "
            "it again"
        )
    images = [np.ascontiguousarray(frame[..., 2::-1], np.uint8) for frame in animation.frames]
    durations = [int(ms) / 1000 or _SHOWN_S for ms in np.ravel(animation.durations)]
    return images, durations
