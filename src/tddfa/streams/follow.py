"""From a source of frames to tracked, smoothed frames."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Protocol, runtime_checkable

from tddfa.errors import InputError
from tddfa.streams.frame import TrackedFrame
from tddfa.tracking.face import TrackedFace
from tddfa.tracking.smoothing import Smoother, make_smoother
from tddfa.types import Image
from tddfa.types.arguments import check_kind, shown
from tddfa.video import Frame, ahead

_READ_AHEAD = 8  # frames that are decoded while earlier ones are tracked


@runtime_checkable
class Tracker(Protocol):
    """What `follow` needs of a `FaceTracker`."""

    def update(self, image: Image, /) -> list[TrackedFace]:
        """Return the faces of the next frame."""
        ...


@runtime_checkable
class SearchingTracker(Protocol):
    """A tracker that can search for new faces after it has told those of a frame, as a `FaceTracker` can."""

    def update(self, image: Image, /, *, defer_search: bool) -> list[TrackedFace]:
        """Return the faces of the next frame."""
        ...

    def search(self) -> None:
        """Do the search that was deferred."""
        ...


def follow(
    source: Iterable[Frame],
    tracker: Tracker | SearchingTracker,
    smoother: Smoother | str = "one-euro",
    *,
    images: bool = True,
    stop: threading.Event | None = None,
    progress: Callable[[], object] | None = None,
) -> Generator[TrackedFrame]:
    """Yield every frame of a source with its tracked, smoothed faces.

    New faces that are found while others are followed come one frame later: a live frame does not wait until
    all of it is searched.

    The delay of the smoother is hidden: each frame comes with its own faces, as soon as these are known.
    With a smoother that sees the whole video first (`zero-phase`), the source is read twice, so that memory
    does not grow with the length of the video.

    Args:
        source: a `VideoReader`, a `Camera`, or any iterable of `Frame`. Files are read ahead by a thread.
        tracker: finds the faces; a new one for each source.
        smoother: a smoother, or the name of one (see `tddfa.tracking.SMOOTHERS`).
        images: whether the frames carry their images; without them, files need no second reading.
        stop: when set, reading ends; what was read is still yielded.
        progress: called after each frame that was tracked.

    Raises:
        InputError: no smoother has that name, or the source can be read only once and has to be read twice;
            while it is read, the source gives something else than frames.

    Example:
        >>> reader = VideoReader("clip.mp4")
        >>> for frame in follow(reader, FaceTracker(FaceAligner()), "zero-phase"):
        ...     print(frame.index, [t.id for t in frame.faces])
    """
    if isinstance(source, str | os.PathLike):
        raise InputError(f"source is the name {shown(source)}; pass VideoReader({shown(source)})")
    if not isinstance(source, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"source is a {type(source).__name__}; a VideoReader or other frames are needed")
    check_kind("tracker", tracker, Tracker, "pass FaceTracker(FaceAligner())")
    if isinstance(smoother, str):
        smoother = make_smoother(smoother)
    check_kind("smoother", smoother, Smoother, 'give a name such as "one-euro", or make_smoother(name)')
    read_twice = images and smoother.delay is None
    if read_twice and not _repeatable(source):
        raise InputError(
            f"{type(smoother).__name__} needs the whole video before its first frame, and this source can be "
            f"read only once; pass a VideoReader or a list of frames, or images=False"
        )
    return _follow(source, tracker, smoother, images, read_twice, stop, progress)


def _follow(
    source: Iterable[Frame],
    tracker: Tracker | SearchingTracker,
    smoother: Smoother,
    images: bool,
    read_twice: bool,
    stop: threading.Event | None,
    progress: Callable[[], object] | None,
) -> Generator[TrackedFrame]:
    waiting: deque[TrackedFrame] = deque()  # frames whose smoothed faces are not known yet
    keep_images = images and not read_twice
    with _reading(source, stop) as frames:
        for frame in frames:
            if stop is not None and stop.is_set():
                break
            check_kind("a frame of the source", frame, Frame, "make one: Frame(index, time in s, image)")
            image, coded = (frame.image, frame.coded) if keep_images else (None, None)
            waiting.append(TrackedFrame(frame.index, frame.time, image, (), frame.captured, coded))
            if not isinstance(tracker, SearchingTracker):
                found = tracker.update(frame.image)
            else:
                found = tracker.update(frame.image, defer_search=True)
                if frame.captured is None:  # whoever gets a frame of a file may draw on it
                    tracker.search()
            for faces in smoother.push(found, frame.time):
                yield _tracked(waiting.popleft(), faces)
            if isinstance(tracker, SearchingTracker):
                tracker.search()
            if progress is not None:
                progress()
    rest = smoother.flush()
    if not read_twice:
        for faces in rest:
            yield _tracked(waiting.popleft(), faces)
        return
    with _reading(source, None) as frames:
        # The frames first: a source that was read to its end is read to its end again, so that what it says
        # about damage stays true.
        for frame, faces in zip(frames, rest, strict=False):
            yield _tracked(frame, faces)


def _tracked(frame: Frame | TrackedFrame, faces: list[TrackedFace]) -> TrackedFrame:
    return TrackedFrame(frame.index, frame.time, frame.image, tuple(faces), frame.captured, frame.coded)


def _repeatable(source: Iterable[Frame]) -> bool:
    """Return whether a source can be read again: standard input, pipes and generators cannot."""
    return getattr(source, "repeatable", True) and iter(source) is not source


@contextlib.contextmanager
def _reading(source: Iterable[Frame], stop: threading.Event | None) -> Generator[Iterator[Frame]]:
    """Open a source: files are read ahead; a camera is not, its frames would be old when their turn comes."""
    frames = ahead(source, _READ_AHEAD, stop) if hasattr(source, "n_frames") else iter(source)
    try:
        yield frames
    finally:
        close = getattr(frames, "close", None)
        if close is not None:
            close()
