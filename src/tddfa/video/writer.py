"""Frames to an MP4 file."""

from __future__ import annotations

import contextlib
import logging
import math
import os
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from tddfa.errors import InputError, VideoFileError
from tddfa.files import atomic_path
from tddfa.provenance import MARK
from tddfa.types import Image
from tddfa.types.arguments import as_path, check_kind, check_number, shown
from tddfa.video.encoders import Encoder, encoders
from tddfa.video.planes import Colors, can_be_reused, drawn_over, from_rgb, shows
from tddfa.video.rates import as_rate
from tddfa.video.reader import VideoReader
from tddfa.video.sound import Sound, add_sound

_log = logging.getLogger(__name__)

_LIMITED_RANGE = 1
_FINE_CLOCK = Fraction(1, 90_000)
_LARGEST_SIDE = 16_384  # px, of x264
_SUFFIXES = (".mp4", ".m4v", ".mov")  # names under which programs expect what is written


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
    The first image sets the size: one pixel is added to odd sides, later images are scaled, with black bars
    where their shape differs.

    Args:
        path: where to; ends in .mp4, .m4v or .mov.
        rate: frames per second, for players that ask.
        time_base: the clock that times of frames are written in, s; a fine one when not given.
        sound_of: a video whose sound is added, from the time of the first image to the last. Sound that
            cannot be used is left out with a warning. Its file is not written over.
        encoder: "auto" (x264), "hardware" (whatever this computer has, or x264), or the name of an FFmpeg
            encoder.
        preset: of x264, from "ultrafast" to "veryslow"; "superfast" when not given.
        crf: constant rate factor: 0 is lossless, 22 the default, 51 the smallest file.
        threads: of the encoder; 0 for as many as it likes.

    Raises:
        InputError: an option is not known, or the name is that of another container.
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
        if self.path.suffix.lower() not in _SUFFIXES:
            raise InputError(f"{self.path} is to be an MP4 file; let its name end in {', '.join(_SUFFIXES)}")
        self._rate = as_rate("rate", rate)
        # Whole frames would be too coarse: one of 60 a second at a rate of 30 would take twice its time.
        self._time_base = time_base or min(1 / self._rate, _FINE_CLOCK)
        if sound_of is not None:
            check_kind("sound_of", sound_of, VideoReader, "pass the reader of the video")
        self._read_from = None if sound_of is None else sound_of.source.path
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
        self._is_open = False

    def __enter__(self) -> VideoWriter:
        if self.path.is_dir():
            raise VideoFileError(f"cannot write {self.path}: it is a folder")
        if _is_same_file(self.path, self._read_from):
            raise VideoFileError(
                f"cannot write {self.path}: it is the video that is read; choose another name"
            )
        self._output = self._stream = self._sound = None
        self._last = -1
        try:
            self._temporary = self._exit.enter_context(atomic_path(self.path))
        except OSError as error:
            raise self._failed(error) from None
        self._is_open = True
        return self

    def write(self, image: Image, time: float, original: Original | None = None) -> None:
        """Add an image.

        Args:
            image: RGB.
            time: when it shows, s; later than the image before.
            original: the frame that it was drawn on. Where nothing was drawn, its coded pixels are used:
                faster, and without the loss of a conversion. They are not where its own image was drawn on.

        Raises:
            InputError: it is no RGB image, or `time` is no number, or the writer is not open.
            VideoFileError: the disk is full, or the image is too large for H.264.
        """
        from av.error import FFmpegError

        checked_frame(image, time)
        if not self._is_open:
            raise InputError(f"{self.path} is not open; write inside a with statement")
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
        self._is_open = False
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
        return from_rgb(_with_bars(image, width, height), width, height, self._colors)

    def _open(self, image: Image, time: float, coded: Any) -> Any:
        height, width = image.shape[:2]
        if max(height, width) > _LARGEST_SIDE:
            raise VideoFileError(
                f"cannot write {self.path}: its images of {width} × {height} pixels are too large for H.264, "
                f"which takes sides up to {_LARGEST_SIDE}; make them smaller"
            )
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
            context.time_base = max(self._time_base, encoder.finest_clock)
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


def _with_bars(image: Image, width: int, height: int) -> Image:
    """Return an image with the bars that give it the shape of a size; of about that shape, as it is."""
    own_height, own_width = image.shape[:2]
    wide, high = max(own_width, own_height * width // height), max(own_height, own_width * height // width)
    left, top = (wide - own_width) // 2, (high - own_height) // 2
    if max(left, top) < 2:  # an odd side that has grown, or was rounded
        return image
    canvas = np.zeros((high, wide, 3), np.uint8)
    canvas[top : top + own_height, left : left + own_width] = image
    return canvas


def _is_same_file(path: Path, other: Path | None) -> bool:
    try:
        return other is not None and path.samefile(other)
    except OSError:
        return False  # one of them is not there


def checked_frame(image: np.ndarray, time: float) -> None:
    """Check what is to be written.

    Raises:
        InputError: it is no RGB image, or `time` is no number.
    """
    given: Any = image
    if not isinstance(given, np.ndarray):
        raise InputError(f"a frame to write is RGB (h, w, 3), uint8; this is {shown(given)}")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise InputError(f"a frame to write is RGB (h, w, 3), uint8; this is {image.shape}, {image.dtype}")
    check_number("the time of a frame", time, -math.inf, math.inf)


def _coded(image: Image, original: Original | None) -> Any:
    """Return the decoder's frame of the original, where its pixels can be used for the image."""
    coded = getattr(original, "coded", None)
    if coded is None or original is None or original.image is None or original.image.shape != image.shape:
        return None
    return coded if can_be_reused(coded) and shows(coded, original.image) else None
