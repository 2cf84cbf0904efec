"""Video files to frames."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tddfa.errors import InputError, VideoFileError
from tddfa.types import Image
from tddfa.video.frame import Frame

if TYPE_CHECKING:
    from av.container import InputContainer

_FALLBACK_RATE = Fraction(25)
_FALLBACK_TIME_BASE = Fraction(1, 90_000)


@dataclass(frozen=True, slots=True)
class Moment:
    """A place in a video: the number of a frame, or a time.

    Attributes:
        value: frames, or s.
        unit: which of them.
    """

    value: float
    unit: str = "frames"

    @classmethod
    def parse(cls, text: str) -> Moment:
        """The moment in a text: "90" (frame), "1.5s", "2:03.5" or "1:02:03" (time).

        Raises:
            InputError: the text is none of these.
        """
        try:
            if ":" in text:
                parts = [float(part) for part in text.split(":")]
                value, unit = sum(part * 60**k for k, part in enumerate(reversed(parts))), "s"
            elif text.endswith("s"):
                value, unit = float(text[:-1]), "s"
            else:
                value, unit = int(text), "frames"
        except ValueError:
            value, unit = -1, ""
        if not 0 <= value < float("inf"):
            raise InputError(f"{text!r} is no place in a video; give a frame (90) or a time (1.5s, 2:03.5)")
        return cls(value, unit)

    def reached(self, index: int, time: float) -> bool:
        """Whether a frame lies at or behind this place."""
        # Half a millisecond: times of frames are rounded to the clock of their file.
        return index >= self.value if self.unit == "frames" else time >= self.value - 0.0005


class VideoReader:
    """The frames of a video file, upright, as RGB; iterate as often as you like, each time from the start.

    The rotation in the file's metadata is applied and pixels are made square. Frames keep the times they
    have in the file, so a variable frame rate stays one; where the resolution changes, so do the pictures.

    Args:
        path: any container and codec that FFmpeg reads.
        start: first frame to give.
        end: the frame to stop before.

    Attributes:
        rate: frames per second, on average.
        time_base: the clock of the file, s.
        has_sound: whether there is sound.
        origin: the file's own time of its first picture, s.
        damage: after iterating, a line on what could not be read; None when all was.

    Raises:
        VideoFileError: there is no such file, or it holds no video.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, start: Moment | None = None, end: Moment | None = None
    ) -> None:
        self.path = Path(path)
        self._start, self._end = start, end
        self.damage: str | None = None
        with self._open() as container:
            stream = container.streams.video[0]
            self.rate = stream.average_rate or stream.guessed_rate or _FALLBACK_RATE
            self.time_base = stream.time_base or _FALLBACK_TIME_BASE
            self.has_sound = bool(container.streams.audio)
            self.origin = float((stream.start_time or 0) * self.time_base)
            self._n_listed = int(stream.frames)
            length = stream.duration * self.time_base if stream.duration else None
            if length is None and container.duration is not None:
                length = Fraction(container.duration, 1_000_000)
            self._length = None if length is None else float(length)
            ratio = stream.sample_aspect_ratio
            self._widen = float(ratio) if ratio and ratio > 0 else 1.0

    @property
    def n_frames(self) -> int | None:
        """How many frames there should be between start and end; None when the file does not say."""
        total = self._n_listed or (round(self._length * self.rate) if self._length else 0)
        if not total:
            return None

        def place(moment: Moment | None, otherwise: int) -> int:
            if moment is None:
                return otherwise
            return round(moment.value * (self.rate if moment.unit == "s" else 1))

        return max(min(place(self._end, total), total) - place(self._start, 0), 0)

    def __iter__(self) -> Iterator[Frame]:
        """The frames from start to end.

        Raises:
            VideoFileError: not a single frame can be decoded.
        """
        self.damage = None
        n_decoded, n_given = 0, 0
        broken: str | None = None
        with self._open() as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            for raw, problem in _decoded(container, stream):
                if raw is None:
                    broken = problem
                    continue
                index, n_decoded = n_decoded, n_decoded + 1
                time = index / float(self.rate) if raw.pts is None else float(raw.pts * raw.time_base)
                time = time if raw.pts is None else time - self.origin
                if self._end is not None and self._end.reached(index, time):
                    break
                if self._start is None or self._start.reached(index, time):
                    n_given += 1
                    yield Frame(index, time, _upright(raw, self._widen))
            else:
                if broken is not None or n_decoded < self._n_listed:
                    missing = f" of {self._n_listed}" if n_decoded < self._n_listed else ""
                    self.damage = (
                        f"{self.path} is cut off or damaged: {n_decoded}{missing} frames can be read"
                    )
        if n_decoded == 0:
            raise VideoFileError(f"{self.path} has a video track, but not one frame in it can be read")
        if n_given == 0:
            raise VideoFileError(f"{self.path} ends before the start: it has {n_decoded} frames")

    def _open(self) -> InputContainer:
        import av
        from av.error import FFmpegError

        path = self.path
        try:
            container = av.open(str(path), mode="r")
        except FileNotFoundError:
            raise VideoFileError(f"no such file: {path}") from None
        except IsADirectoryError:
            raise VideoFileError(f"{path} is a folder, not a video") from None
        except OSError as error:  # some FFmpegErrors are also OSErrors, others ValueErrors, EOFErrors, …
            raise VideoFileError(f"cannot read {path}: {error.strerror}") from None
        except FFmpegError:
            what = (
                "is empty (0 bytes)" if path.stat().st_size == 0 else "is no video, or is cut off or damaged"
            )
            raise VideoFileError(f"{path} {what}") from None
        if not container.streams.video:
            kind = "only sound" if container.streams.audio else "no pictures"
            container.close()
            raise VideoFileError(f"{path} has no video track, {kind}")
        return container


def _decoded(container: InputContainer, stream: Any) -> Iterator[tuple[Any, str]]:
    """The frames that can be decoded; None and a reason for each packet that cannot."""
    from av.error import FFmpegError

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except FFmpegError as error:
            yield None, str(error)
            return
        try:
            frames = packet.decode()
        except FFmpegError as error:
            yield None, str(error)
            continue
        for frame in frames:
            yield frame, ""


def _upright(raw: Any, widen: float) -> Image:
    width = max(round(raw.width * widen), 1)
    image: Image = raw.to_ndarray(format="rgb24", width=width, height=raw.height)
    # FFmpeg counts the display matrix's angle counter-clockwise, as rot90 does.
    turns = round(raw.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image
