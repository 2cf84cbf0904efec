"""Frames to an MP4 file."""

from __future__ import annotations

import contextlib
import logging
import os
from fractions import Fraction
from typing import Any, Protocol, runtime_checkable

import numpy as np

from tddfa.errors import InputError, VideoFileError
from tddfa.files import atomic_path
from tddfa.provenance import MARK
from tddfa.types import Image
from tddfa.types.arguments import as_path
from tddfa.video.encoders import Encoder, encoders
from tddfa.video.planes import Colors, can_be_reused, drawn_over, from_rgb
from tddfa.video.rates import as_rate
from tddfa.video.reader import VideoReader
from tddfa.video.sound import Sound, add_sound

_log = logging.getLogger(__name__)

_LIMITED_RANGE = 1


@runtime_checkable
class Original(Protocol):
    """The frame that an image was drawn on, such as a `Frame`."""

    @property
    def image(self) -> Image | None:
        """RGB, before anything was drawn."""
        ...

    @property
    def coded(self) -> Any:
        """The decoder's own frame of `image`, if it shows just its pixels."""
        ...


class VideoWriter:
    """Writes an H.264 MP4 file that plays everywhere: use as a context and call `write`.

    The file appears under its name when the context is left, whole; when it is left by an error, not at all.
    The first image sets the size: one pixel is added to odd sides, later images are scaled.

    Args:
        path: where to; ends in .mp4.
        rate: frames per second, for players that ask.
        time_base: the clock that times of frames are written in, s.
        sound_of: a video whose sound is added, from the time of the first image to the last. Sound that
        cannot
            be used is left out with a warning.
        encoder: "auto" (x264), "hardware" (whatever this computer has, or x264), or the name of an FFmpeg
        encoder. preset: of x264, from "ultrafast" to "veryslow"; "superfast" when not given. crf: constant
        rate factor: 0 is lossless, 22 the default, 51 the smallest file. threads: of the encoder; 0 for as
        many as it likes.

    Raises:
        InputError: an option is not known.
        VideoFileError: the file cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        rate: Fraction | float,
        time_base: Fraction | None = None,
        sound_of: VideoReader | None = None,
        encoder: str = "auto",
        preset: str | None = None,
        crf: int | None = None,
        threads: int = 0,
    ) -> None:
        self.path = as_path("path", path)
        self._rate = as_rate("rate", rate)
        self._time_base = time_base or 1 / self._rate
        self._sound_of = sound_of if sound_of is not None and sound_of.has_sound else None
        self._encoders = encoders(encoder, preset=preset, crf=crf)
        self._fallback_is_news = encoder == "hardware"
        self._encoder_works = False
        self._threads = threads
        self._colors = Colors()
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

    def write(self, image: Image, time: float, original: Original | None = None) -> None:
        """Add an image.

        Args:
            image: RGB.
            time: when it shows, s; later than the image before.
            original: the frame that it was drawn on. Where nothing was drawn, its coded pixels are used:
            faster,
                and without the loss of a conversion.

        Raises:
            InputError: it is no RGB image, or `time` is no number.
            VideoFileError: the disk is full.
        """
        from av.error import FFmpegError

        checked_frame(image, time)
        coded = _coded(image, original)
        try:
            output = self._output or self._open(image, time, coded)
            frame = self._frame(image, original, coded)
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
            with contextlib.suppress(OSError, ValueError):
                self._close()
            self._exit.__exit__(*exception)  # removes the temporary file
            return
        from av.error import FFmpegError

        try:
            with self._exit.pop_all():  # gives it its name
                self._finish()
        except (OSError, FFmpegError) as error:
            raise error if isinstance(error, VideoFileError) else self._failed(error) from None

    def _frame(self, image: Image, original: Original | None, coded: Any) -> Any:
        width, height = self._stream.width, self._stream.height
        fits = coded is not None and (coded.width, coded.height) == (width, height)
        if fits and original is not None and original.image is not None and Colors.of(coded) == self._colors:
            return drawn_over(image, original.image, coded, self._colors)
        return from_rgb(image, width, height, self._colors)

    def _open(self, image: Image, time: float, coded: Any) -> Any:
        self._start = time
        if coded is not None:
            self._colors = Colors.of(coded)
        failure: Any = None
        for with_sound in (True, False) if self._sound_of is not None else (False,):
            for encoder in self._encoders:
                failure = self._try(encoder, image, with_sound)
                if failure is None:
                    if self._fallback_is_news:
                        _log.info("%s is encoded by %s", self.path, encoder.name)
                    return self._output
        if self._encoder_works or len(self._encoders) > 1:
            raise self._failed(failure)
        raise self._unusable(failure)

    def _try(self, encoder: Encoder, image: Image, with_sound: bool) -> Any:
        """Open the output with an encoder; return the error when that fails, else None."""
        import av
        from av.error import FFmpegError

        height, width = image.shape[:2]
        # The index in front lets players start before the whole file is there.
        output: Any = av.open(
            str(self._temporary), "w", format="mp4", container_options={"movflags": "+faststart"}
        )
        output.metadata["comment"] = MARK
        sound: Sound | None = None
        try:
            stream: Any = output.add_stream(encoder.name, rate=self._rate, options=encoder.options)
            stream.width, stream.height = width + width % 2, height + height % 2
            stream.pix_fmt = "yuv420p"
            context = stream.codec_context
            context.time_base = self._time_base
            context.color_primaries, context.color_trc = self._colors.primaries, self._colors.transfer
            context.colorspace, context.color_range = self._colors.matrix, _LIMITED_RANGE
            if self._threads:
                context.thread_count = self._threads
            if with_sound and self._sound_of is not None:
                sound = add_sound(self._sound_of, output, self._sound_of.origin + self._start)
            output.start_encoding()
        except (FFmpegError, ValueError, LookupError) as error:
            # An encoder that is open works: the beginning of the file could not be written.
            self._encoder_works = any(track.codec_context.is_open for track in output.streams.video)
            if sound is not None:
                sound.close()
            with contextlib.suppress(FFmpegError, OSError, ValueError):
                output.close()
            return error
        self._output, self._stream, self._sound = output, stream, sound
        return None

    def _finish(self) -> None:
        if self._output is None:
            raise VideoFileError(f"nothing to write to {self.path}: there was not one frame")
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

    def _unusable(self, error: Any) -> VideoFileError:
        name, reason = self._encoders[0].name, getattr(error, "strerror", None)
        why = f" ({reason})" if reason else ""
        return VideoFileError(
            f"cannot write {self.path}: the encoder {name} cannot be used on this machine{why}; choose auto, "
            "or hardware, which takes what works"
        )

    def _failed(self, error: Any) -> VideoFileError:
        reason = getattr(error, "strerror", None) or error or "no encoder works"
        return VideoFileError(f"cannot write {self.path}: {reason}")


def checked_frame(image: np.ndarray, time: float) -> None:
    """Check what is to be written.

    Raises:
        InputError: it is no RGB image, or `time` is no number.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise InputError(f"a frame to write is RGB (h, w, 3), uint8; this is {image.shape}, {image.dtype}")
    if not np.isfinite(time):
        raise InputError(f"the time of a frame is {time}; give seconds")


def _coded(image: Image, original: Original | None) -> Any:
    """Return the decoder's frame of the original, where its pixels can be used for the image."""
    coded = getattr(original, "coded", None)
    if coded is None or original is None or original.image is None or original.image.shape != image.shape:
        return None
    return coded if can_be_reused(coded) else None
