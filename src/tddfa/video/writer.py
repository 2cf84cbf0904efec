"""Frames to an MP4 file."""

from __future__ import annotations

import contextlib
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from tddfa.errors import VideoFileError
from tddfa.files import atomic_path
from tddfa.types import Image
from tddfa.video.reader import VideoReader
from tddfa.video.sound import Sound

# The first that this build of FFmpeg has. With the default preset x264 would take longer than all else
# together; `superfast` takes a third of its time, for files half as large again at the same quality.
_ENCODERS: tuple[tuple[str, dict[str, str]], ...] = (
    ("libx264", {"preset": "superfast", "crf": "22"}),
    ("libopenh264", {"b": "8M"}),
    ("h264_videotoolbox", {"b": "8M"}),
    ("mpeg4", {"q": "3"}),
)
_BT709 = 1  # FFmpeg's number of these primaries, this transfer and this matrix
_LIMITED_RANGE = 1


class VideoWriter:
    """Writes an H.264 MP4 file that plays everywhere: use as a context and call `write`.

    The file appears under its name when the context is left, whole; when it is left by an error, not at all.
    The first picture sets the size: one pixel is added to odd sides, later pictures are scaled.

    Args:
        path: where to; ends in .mp4.
        rate: frames per second, for players that ask.
        time_base: the clock that times of frames are written in, s.
        sound_of: a video whose first sound track is added, from the time of the first picture to the last.

    Raises:
        VideoFileError: the file cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        rate: Fraction,
        time_base: Fraction | None = None,
        sound_of: VideoReader | None = None,
    ) -> None:
        self.path = Path(path)
        self._rate = rate
        self._time_base = time_base or 1 / rate
        self._sound_of = sound_of if sound_of is not None and sound_of.has_sound else None
        self._exit = contextlib.ExitStack()
        self._output: Any = None
        self._stream: Any = None
        self._sound: Sound | None = None
        self._start = 0.0
        self._last = -1

    def __enter__(self) -> VideoWriter:
        if self.path.is_dir():
            raise VideoFileError(f"cannot write {self.path}: it is a folder")
        try:
            self._temporary = self._exit.enter_context(atomic_path(self.path))
        except OSError as error:
            raise self._failed(error) from None
        return self

    def write(self, image: Image, time: float) -> None:
        """Add a picture.

        Args:
            image: RGB.
            time: when it shows, s; later than the picture before.

        Raises:
            VideoFileError: the disk is full.
        """
        import av
        from av.error import FFmpegError

        try:
            output = self._output or self._open(image, time)
            # On the picture's own memory: from_ndarray would copy it, in 2 ms at 720p.
            pixels = av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(image), format="rgb24")
            frame = pixels.reformat(
                width=self._stream.width,
                height=self._stream.height,
                format="yuv420p",
                dst_colorspace="ITU709",
            )
            # A clock too coarse for two frames, or times that stand still, would end the file here.
            self._last = max(round((time - self._start) / self._time_base), self._last + 1)
            frame.pts, frame.time_base = self._last, self._time_base
            if self._sound is not None:
                self._sound.add_until(time - self._start)
            output.mux(self._stream.encode(frame))
        except FFmpegError as error:
            raise self._failed(error) from None

    def __exit__(self, *exception: Any) -> None:
        if exception[0] is not None:
            with contextlib.suppress(OSError):
                self._close()
            self._exit.__exit__(*exception)  # removes the temporary file
            return
        try:
            with self._exit.pop_all():  # gives it its name
                self._finish()
        except OSError as error:
            raise error if isinstance(error, VideoFileError) else self._failed(error) from None

    def _open(self, image: Image, time: float) -> Any:
        import av

        self._start = time
        name, options = next(e for e in _ENCODERS if e[0] in av.codecs_available)
        # The index in front lets players start before the whole file is there.
        self._output = av.open(
            str(self._temporary), "w", format="mp4", container_options={"movflags": "+faststart"}
        )
        stream: Any = self._output.add_stream(name, rate=self._rate, options=options)
        height, width = image.shape[:2]
        stream.width, stream.height = width + width % 2, height + height % 2
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = self._time_base
        context.color_primaries = context.color_trc = context.colorspace = _BT709
        context.color_range = _LIMITED_RANGE
        self._stream = stream
        if self._sound_of is not None:
            self._sound = Sound(self._sound_of.path, self._output, self._sound_of.origin + time)
        return self._output

    def _finish(self) -> None:
        if self._output is None:
            raise VideoFileError(f"nothing to write to {self.path}: there was not one picture")
        end = float((self._last + 1) * self._time_base)
        try:
            self._output.mux(self._stream.encode(None))
            if self._sound is not None:
                self._sound.add_until(max(end, float(self._last * self._time_base + 1 / self._rate)))
                self._sound.finish()
        finally:
            self._close()

    def _close(self) -> None:
        if self._sound is not None:
            self._sound.close()
        if self._output is not None:
            self._output.close()

    def _failed(self, error: OSError | Any) -> VideoFileError:
        return VideoFileError(f"cannot write {self.path}: {error.strerror}")
