"""Videos to frames."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tddfa.errors import InputError, VideoFileError
from tddfa.imaging.files import pixel_limit
from tddfa.imaging.orientation import UPRIGHT, apply_orientation, orientation_of_matrix
from tddfa.imaging.yuv import frame_to_rgb, is_plain
from tddfa.types import Image
from tddfa.types.arguments import check_above_0
from tddfa.video.deinterlace import Deinterlacer
from tddfa.video.frame import Frame
from tddfa.video.moment import Moment as Moment  # its former place
from tddfa.video.moment import empty_range
from tddfa.video.planes import note_image
from tddfa.video.source import CUT_OFF, Readable, VideoSource
from tddfa.video.timeline import BROADCAST_LEAP_S, RECORDING_LEAP_S, FrameClock, PacketClock
from tddfa.video.tracks import video_track
from tddfa.video.wholeness import is_cut_off

if TYPE_CHECKING:
    from av.container import InputContainer

_FALLBACK_RATE = Fraction(25)
_FINE_CLOCK = Fraction(1, 90_000)
_MAX_RATE = 1000  # frames per second: a header that says more gives the ticks of its clock
# Frames whose times are compared before the first is given: more than decoders reorder in practice. AVI gives
# times of decoding, which shows only where a video first uses frames out of order.
_FIRST_FRAMES, _FIRST_FRAMES_OF_AVI, _FIRST_BYTES = 8, 64, 64 << 20
_MAX_STRETCH = 16.0  # width of a pixel over its height, or the other way round
# Formats whose clocks jump by design.
# Formats that say when they end, not how long they are: a recording may begin at the time of day.
_FROM_ZERO = ("matroska", "nut")
_BROADCAST = ("mpegts", "mpeg", "hls", "rtsp", "rtp", "flv")


# Part of the packets, from the first one that gives a frame, that has to become frames. Decoders pass over
# damaged ones without a word. A packet may hold one of the two fields of a frame, or none that is shown.
_MIN_SHOWN = 0.4


class EndsBeforeStartError(VideoFileError):
    """A video that has frames, and none from the one on that was to be the first."""


class VideoReader:
    """The frames of a video, upright, as RGB; iterate as often as you like, each time from the start.

    The orientation in the file is applied (turned and mirrored), pixels are made square, interlaced frames
    are made whole and high dynamic range is tone-mapped. Frames keep the times they have in the file, so a
    variable frame rate stays one; where the file's clock restarts or stands still, times go on growing. Where
    the resolution changes, so do the images. Covers are no video; of several tracks the default, then the
    largest is read.

    Args:
        path: a file of any container and codec that FFmpeg reads; "-" for standard input; a pipe; a URL
            (http, https, rtsp, rtmp, …); or a binary file object.
        start: first frame to give: its number, a time ("1.5s", "2:03.5"), or a `Moment`.
        end: the frame to stop before.
        timeout_s: how long a network or a pipe may keep silent; 10 s and 30 s when not given.
        max_pixels: the largest frame to decode, px; when not given, the environment variable
            TDDFA_MAX_PIXELS, or 2^28.
        progress: called for each frame that is decoded, also for those before the start, by whoever reads.

    Attributes:
        path: of the file; for anything else, its name.
        rate: frames per second, on average.
        time_base: a clock in which the file's times are whole numbers, s.
        has_sound: whether there is sound.
        origin: the file's own time of its first frame, s.
        repeatable: whether it can be read again; standard input and pipes cannot.
        damage: after iterating, a line on what could not be read; None when all was.

    Raises:
        VideoFileError: there is no such file, or it holds no video.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | Readable,
        *,
        start: Moment | int | str | None = None,
        end: Moment | int | str | None = None,
        timeout_s: float | None = None,
        max_pixels: int | None = None,
        progress: Callable[[], object] | None = None,
    ) -> None:
        if timeout_s is not None:
            check_above_0("timeout_s", timeout_s, "seconds")
        if progress is not None and not callable(progress):
            raise InputError(f"progress is a {type(progress).__name__}; a function is needed")
        self.source = VideoSource(path, timeout_s)
        self.path = self.source.path or Path(self.source.name)
        self.repeatable = self.source.repeatable
        self.damage: str | None = None
        self._interruption: str | None = None
        self._start, self._end = Moment.of("start", start), Moment.of("end", end)
        self._progress = progress
        self._max_pixels = pixel_limit(max_pixels)
        self._unread: InputContainer | None = None
        self._clock: PacketClock | None = None
        container = self.source.open()
        try:
            self._inspect(container)
        except BaseException:
            container.close()
            raise
        if self.repeatable:
            container.close()
        else:
            self._unread = container  # what is gone cannot be read again

    @property
    def n_frames(self) -> int | None:
        """Number of frames to expect between start and end; None when the file does not say."""
        total = self._n_listed or (round(self._length * self.rate) if self._length else 0)
        if not total:
            return None

        def place(moment: Moment | None, otherwise: int) -> int:
            if moment is None:
                return otherwise
            return round(moment.value * (self.rate if moment.unit == "s" else 1))

        return max(min(place(self._end, total), total) - place(self._start, 0), 0)

    def restart(self, n: int) -> int | None:
        """Return what was added to the times of this video after its n-th restart, in `restart_base`."""
        shifts = self._clock.shifts if self._clock is not None else []
        return shifts[n] if n < len(shifts) else None

    def __iter__(self) -> Iterator[Frame]:
        """Give the frames from start to end.

        Raises:
            VideoFileError: not a single frame can be decoded, or it was read before and cannot be again.
        """
        self.damage = self._interruption = None
        self._n_packets = 0
        n_decoded, n_given, broken, is_behind = 0, 0, False, False
        with contextlib.closing(self._opened()) as container:
            stream = self._track(container)
            clock = FrameClock(1 / float(self.rate), even=container.format.name == "avi")
            for raw, time in self._timed(container, stream, clock):
                if raw is None:
                    broken = broken or n_decoded > 0  # a recording may begin in the middle of something
                    continue
                if clock.origin is not None:
                    self.origin = clock.origin
                index, n_decoded = n_decoded, n_decoded + 1
                if self._progress is not None:
                    self._progress()
                if self._end is not None and self._end.reached(index, time):
                    is_behind = True
                    break
                if self._start is None or self._start.reached(index, time):
                    n_given += 1
                    yield self._frame(index, time, raw)
            else:
                self._note_damage(n_decoded, broken)
        if n_decoded == 0:
            raise VideoFileError(f"{self.source.name} {self._without_frames()}")
        if n_given == 0:
            problem = empty_range(self.source.name, n_decoded, "frame", ends_first=is_behind)
            raise EndsBeforeStartError(problem)

    def _inspect(self, container: InputContainer) -> None:
        stream = video_track(container, self.source.name)
        context = stream.codec_context
        if int(context.width or 0) * int(context.height or 0) > self._max_pixels:
            raise VideoFileError(
                f"{self.source.name} has frames of {context.width} × {context.height} pixels, more than the "
                f"limit of {self._max_pixels}; raise it with TDDFA_MAX_PIXELS"
            )
        self.rate = next(
            (r for r in (stream.average_rate, stream.guessed_rate) if r and 0 < r <= _MAX_RATE),
            _FALLBACK_RATE,
        )
        base: Fraction = stream.time_base or _FINE_CLOCK
        self.restart_base = base
        # A clock that ticks once per frame has no room for a time in between.
        self.time_base = base if 0 < base <= Fraction(1, 1000) else _FINE_CLOCK
        self.has_sound = bool(container.streams.audio)
        self.origin = float((stream.start_time or 0) * base)
        self._n_listed = int(stream.frames)
        length = stream.duration * base if stream.duration else None
        if length is None and container.duration is not None:
            length = Fraction(container.duration, 1_000_000)
            if container.format.name.startswith(_FROM_ZERO):
                length -= Fraction(max(container.start_time or 0, 0), 1_000_000)
        self._length = None if length is None or length <= 0 else float(length)
        ratio = float(stream.sample_aspect_ratio or 1)
        self._widen = ratio if 1 / _MAX_STRETCH <= ratio <= _MAX_STRETCH else 1.0
        leap = BROADCAST_LEAP_S if container.format.name.startswith(_BROADCAST) else RECORDING_LEAP_S
        self._leap = round(leap / base)

    def _opened(self) -> InputContainer:
        container, self._unread = self._unread, None
        if container is not None:
            return container
        if not self.repeatable:
            raise VideoFileError(
                f"{self.source.name} can be read only once; save it to a file to read it again"
            )
        return self.source.open()

    def _track(self, container: InputContainer) -> Any:
        stream = video_track(container, self.source.name)
        stream.thread_type = "AUTO"
        # Also for frames that turn out larger than the header says.
        stream.codec_context.options = {"max_pixels": str(self._max_pixels)}
        return stream

    def _timed(
        self, container: InputContainer, stream: Any, clock: FrameClock
    ) -> Iterator[tuple[Any, float]]:
        """Give whole frames with their times; None for what cannot be decoded."""
        whole = Deinterlacer()
        first: list[Any] | None = [] if getattr(stream.codec_context, "has_b_frames", False) else None
        enough = _FIRST_FRAMES
        if container.format.name == "avi":
            room = _FIRST_BYTES // max(2 * stream.codec_context.width * stream.codec_context.height, 1)
            enough = min(max(room, enough), _FIRST_FRAMES_OF_AVI)

        def ready(raw: Any) -> list[tuple[Any, float]]:
            moment = clock.time(_seconds(raw, raw.pts), _seconds(raw, raw.duration) or 0.0)
            return whole.push(raw, moment)

        for raw in self._decoded(container, stream, clock):
            if raw is None:
                yield None, 0.0
            elif first is None:
                yield from ready(raw)
            else:
                first.append(raw)
                if len(first) == enough:
                    clock.begin([_seconds(f, f.pts) for f in first])
                    for early in first:
                        yield from ready(early)
                    first = None
        if first:
            clock.begin([_seconds(f, f.pts) for f in first])
            for early in first:
                yield from ready(early)
        yield from whole.flush()

    def _decoded(self, container: InputContainer, stream: Any, frames: FrameClock) -> Iterator[Any]:
        """Give the decoder's frames on a continued clock; None for each packet that cannot be decoded."""
        from av.error import FFmpegError

        base = stream.time_base or _FINE_CLOCK
        self._clock = PacketClock(round(1 / (self.rate * base)), self._leap)
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except (FFmpegError, OSError, ValueError) as error:
                self._interruption = self.source.failure(error)
                yield None
                return
            if packet.size:
                packet.pts, packet.dts = self._clock.moved(packet.pts, packet.dts, packet.duration)
                if packet.pts is not None and not getattr(packet, "is_discard", False):
                    frames.feed(float(packet.pts * base))
            try:
                decoded = packet.decode()
            except (FFmpegError, ValueError):
                yield None
                continue
            is_shown = packet.size and not getattr(packet, "is_discard", False)
            self._n_packets += bool(is_shown and (decoded or self._n_packets))
            yield from decoded

    def _frame(self, index: int, time: float, raw: Any) -> Frame:
        orientation = display_orientation(raw)
        width = max(round(raw.width * self._widen), 1)
        try:
            image: Image = apply_orientation(frame_to_rgb(raw, width=width), orientation)
        except ValueError as error:
            raise VideoFileError(f"{self.source.name} cannot be read: {error}") from None
        except MemoryError:
            raise VideoFileError(
                f"not enough memory for frames of {width} × {raw.height} pixels of {self.source.name}"
            ) from None
        as_coded = orientation == UPRIGHT and width == raw.width and is_plain(raw)
        if as_coded:
            note_image(raw, image)
        return Frame(index, time, image, coded=raw if as_coded else None)

    def _without_frames(self) -> str:
        """Return why no frame can be read, and what to do."""
        problem = self._interruption or "has a video track, but not one frame in it can be read"
        if self.source.path is not None or self._interruption not in (None, CUT_OFF):
            return problem
        return f"{problem}; an MP4 whose index is at its end cannot be streamed: save it to a file first"

    def _note_damage(self, n_decoded: int, broken: bool) -> None:
        if self._interruption is not None and self.source.path is None:
            self.damage = f"{self.source.name} {self._interruption}: {n_decoded} frames were read"
            return
        cut = self.source.path is not None and is_cut_off(self.source.path)
        skipped = n_decoded < _MIN_SHOWN * self._n_packets
        if not broken and not cut and not skipped:
            return
        total = f" of {self._n_listed}" if n_decoded < self._n_listed else ""
        self.damage = f"{self.source.name} is cut off or damaged: {n_decoded}{total} frames can be read"


def _seconds(raw: Any, ticks: int | None) -> float | None:
    return None if ticks is None or raw.time_base is None else float(ticks * raw.time_base)


@functools.cache
def _side_data() -> Any:
    """Return the class that lists the side data of a frame; PyAV is loaded when it is needed."""
    from av.sidedata.sidedata import SideDataContainer

    container: Any = SideDataContainer  # its stub knows no arguments

    class KnownSideData(container):
        def __init__(self, frame: Any) -> None:
            # FFmpeg knows more kinds of side data than PyAV, such as the EXIF data of JPEG images, and PyAV
            # stops at the first of those. What comes before it is in the list, and so is the display matrix.
            with contextlib.suppress(ValueError):
                super().__init__(frame)

    return KnownSideData


def _is_display_matrix(data: Any) -> bool:
    try:
        return data.type.name == "DISPLAYMATRIX"
    except ValueError:  # a kind that PyAV does not know
        return False


def display_orientation(raw: Any) -> int:
    """Return the EXIF orientation that a frame's display matrix means."""
    try:
        # Not `raw.side_data`: a frame keeps what that returns, which keeps the frame. Such circles are found
        # late, and until then a hundred decoded frames lie in memory.
        matrix = next((bytes(d) for d in _side_data()(raw) if _is_display_matrix(d)), None)
    except (ImportError, AttributeError, TypeError):
        matrix = None
    if matrix is None or len(matrix) < 36:
        return UPRIGHT
    import struct

    # Row vectors: x' = a·x + c·y, y' = b·x + d·y. Source: ISO/IEC 14496-12, 6.2.2.
    a, b, _, c, d = struct.unpack_from("=5i", matrix)
    return orientation_of_matrix(a, c, b, d)
