"""Small video files with known pictures, sound, times and faults."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def sample_images(n: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Smooth pictures, each brighter than the one before; their upper left corner is red."""
    out = []
    for i in range(n):
        image = np.full((height, width, 3), 60 + 120 * i // max(n, 2), np.uint8)
        image[: height // 2, : width // 2] = (220, 30, 30)
        out.append(image)
    return out


def write_clip(
    path: Path,
    images: Sequence[np.ndarray],
    *,
    rate: Fraction | int = 25,
    times: Sequence[float] | None = None,
    sound: str | None = None,
    rotation: int = 0,
    aspect: Fraction | None = None,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
) -> Path:
    """A video of the pictures, written without the library.

    Args:
        path: where to; its suffix is the container.
        images: RGB.
        rate: frames per second.
        times: of each frame, s; evenly spaced when not given.
        sound: codec of a tone as long as the video.
        rotation: metadata: degrees by which a player turns the picture counter-clockwise.
        aspect: width over height of a pixel.
        codec: of the pictures.
        options: of the codec.
    """
    clock = Fraction(1, 12_800)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options or {"crf": "10"})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = clock
        if rotation:
            stream.set_display_rotation(rotation)
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        audio = container.add_stream(sound, rate=44_100) if sound else None
        for i, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            time = float(i / Fraction(rate)) if times is None else times[i]
            frame.pts, frame.time_base = round(time / clock), clock
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio is not None:
            _tone(container, audio, len(images) / float(rate))
    return path


def write_sound(path: Path, seconds: float = 0.5) -> Path:
    """A file with sound and no pictures."""
    with av.open(str(path), "w") as container:
        _tone(container, container.add_stream("aac", rate=44_100), seconds)
    return path


def _tone(container: av.container.OutputContainer, stream: av.AudioStream, seconds: float) -> None:
    wave = np.sin(np.arange(int(44_100 * seconds)) * (2 * np.pi * 440 / 44_100))
    for start in range(0, len(wave), 1024):
        samples = (wave[start : start + 1024] * 8000).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = 44_100, start
        frame.time_base = Fraction(1, 44_100)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
