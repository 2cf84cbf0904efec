"""A long video in parts, each of which begins with a shot: several workers share it.

The plan names a frame about which each part begins. The part begins with the first shot from there on, and
ends where the next one begins: at a cut, where a tracker forgets everybody's place anyway. Where a shot
begins depends on a few frames before it, so that neighbouring parts, on machines that know nothing of each
other, agree; a part in which no shot begins is empty, and its frames belong to the part before.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import field
from typing import Any

from tddfa.batch.storage import Storage, is_url
from tddfa.dataclass import dataclass
from tddfa.errors import TddfaError
from tddfa.tracking.shots import SHOT_MEMORY_FRAMES, ShotDetector
from tddfa.video import Frame, Moment, VideoReader
from tddfa.video.reader import EndsBeforeStartError

IDS_PER_PART = 1_000_000
"""Difference of the numbers of people in one part of a video from those in the next."""

_MIN_BYTES_PER_S = 12_500
"""Size of a second of video, bytes, below which nobody would look at it: smaller files are not opened."""


@dataclass(frozen=True, slots=True)
class Span:
    """Which part of a video is meant; by default the only one, all of it.

    Attributes:
        number: of the part, from 0.
        start: frame from which on it begins, with a shot; 0 for the first part.
        stop: frame from which on the next part begins; None for the last part.
    """

    number: int = 0
    start: int = 0
    stop: int | None = None

    @classmethod
    def parse(cls, text: str, start: int, n_frames: int) -> Span:
        """Return the span that a plan describes: as "2/12", its first frame, and the frames of each part."""
        number, _, count = text.partition("/")
        return cls(int(number), start, None if int(number) + 1 == int(count) else start + n_frames)

    def id(self, id: int) -> int:
        """Return the number of a person in the whole video, of which no other part has the same one."""
        return self.number * IDS_PER_PART + id


@dataclass(slots=True)
class VideoPart:
    """The frames of a part of a video, with their numbers and times in the whole of it; a source of `follow`.

    Frames before it are decoded and dropped: the number and time of a frame depend on all frames before it.

    Args:
        place: path, or a file object.
        span: which part.
        progress: called for each frame that is decoded, in the thread that reads.

    Attributes:
        has_end: after iterating, whether the last frame of the video is one of this part.
        first: after iterating, the number of its first frame; None where it is empty.
    """

    place: Any
    span: Span
    progress: Callable[[], object] | None = None
    has_end: bool = False
    first: int | None = None
    reader: VideoReader = field(init=False)

    def __post_init__(self) -> None:
        before = max(self.span.start - SHOT_MEMORY_FRAMES, 0)
        start = Moment(before) if before else None
        self.reader = VideoReader(self.place, start=start, progress=self.progress)

    @property
    def n_frames(self) -> int | None:
        """Number of frames; not known before they are read."""
        return None

    def __iter__(self) -> Iterator[Frame]:
        """Give the frames of the part."""
        shots, span = ShotDetector(), self.span
        self.has_end, self.first = False, None
        is_inside = span.start == 0
        try:
            for frame in self.reader:
                shots.update(frame.image)
                past = span.stop is not None and frame.index >= span.stop
                if past and (shots.is_cut or not is_inside):
                    return
                is_inside = is_inside or (frame.index >= span.start and shots.is_cut)
                if is_inside:
                    self.first = frame.index if self.first is None else self.first
                    yield frame
        except EndsBeforeStartError:
            return  # shorter than its header says
        self.has_end = is_inside


@contextlib.contextmanager
def opened(place: str | bytes) -> Generator[Any]:
    """Yield what a `VideoReader` takes for a path or a URL.

    Raises:
        StorageError: a bucket cannot be read.
    """
    if isinstance(place, str) and is_url(place):
        with Storage.open(place).reading() as file:
            yield file
    else:
        yield place


def part_frames(place: str, size: int, seconds: float) -> tuple[int, int]:
    """Return the number of parts of a video, and of frames in each; (1, 0) for one that stays whole.

    Args:
        place: path or URL.
        size: of the file, bytes.
        seconds: length of a part, s; 0 to leave every video whole.
    """
    if seconds <= 0 or size < seconds * _MIN_BYTES_PER_S:
        return 1, 0
    try:
        with opened(place) as source:
            reader = VideoReader(source)
    except TddfaError:
        return 1, 0  # whoever reads it says why
    n_frames, step = reader.n_frames or 0, max(round(seconds * float(reader.rate)), 1)
    n_parts = n_frames // step
    return (n_parts, step) if n_parts > 1 else (1, 0)
