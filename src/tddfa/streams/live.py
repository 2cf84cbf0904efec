"""Live sources: the newest frame of a camera, and files that play at their own speed."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Generator, Iterable
from dataclasses import replace

from tddfa.errors import TddfaError
from tddfa.video import Frame, ahead

_POLL_S = 0.1  # time between looks at `stop` while no frame comes
_JOIN_S = 1.0  # time to wait for a capture thread: a network camera that is silent may never return
_READ_AHEAD = 4  # frames of a file that are decoded before they are due
_LATE_S = 0.25  # a file's frame that is later than this is skipped; short hiccups skip nothing
_SKIPPING_S = 0.25  # time for which frames are skipped on end: where that takes longer, viewers see a still
_FRAME_S = 1 / 30  # duration of the only frame of a file that is played in a loop


class NewestFrames:
    """Yield the newest frame of a source each time; frames that nobody was ready for are dropped.

    A thread reads the source, so that no frame waits in a queue.

    Args:
        source: a `Camera`, or any iterable of frames that come in real time.
        stop: when set, iterating ends, also while the source is silent.

    Attributes:
        dropped: number of frames that were dropped.
    """

    def __init__(self, source: Iterable[Frame], stop: threading.Event | None = None) -> None:
        self._source = source
        self._stop = threading.Event() if stop is None else stop
        self.dropped = 0

    def __iter__(self) -> Generator[Frame]:
        """Yield frames; `captured` is when the source delivered them.

        Raises:
            TddfaError: the source fails; frames that came before are yielded first.
        """
        slot = _Slot()
        thread = threading.Thread(target=self._capture, args=(slot,), name="tddfa-capture", daemon=True)
        thread.start()
        try:
            while (frame := slot.take(self._stop)) is not None:
                yield frame
        finally:
            slot.close()
            thread.join(_JOIN_S)

    def _capture(self, slot: _Slot) -> None:
        try:
            for frame in self._source:
                self.dropped += slot.put(replace(frame, captured=time.perf_counter()))
                if slot.closed:
                    return
        except BaseException as error:
            slot.end(error)
        else:
            slot.end()


class RealTimeFrames:
    """Yield the frames of a file when they are due.

    The clock starts when the second frame is asked for, so that work that only the first frame needs (such as
    loading networks) makes no frame late. It stands still while the caller waits for the source: a file that
    is decoded slower than its own speed plays slowly, and shows every frame. A caller that is late gets the
    frame that is due; where it takes long to decode up to that one, the clock is set back instead.

    Args:
        source: a `VideoReader`; with `loop`, anything that can be read again and again.
        loop: whether to begin anew at the end; indices and times go on.
        stop: when set, iterating ends.

    Attributes:
        dropped: number of frames that were skipped because the caller was late.
    """

    def __init__(
        self, source: Iterable[Frame], *, loop: bool = False, stop: threading.Event | None = None
    ) -> None:
        self._source, self._loop = source, loop
        self._stop = threading.Event() if stop is None else stop
        self.dropped = 0

    def __iter__(self) -> Generator[Frame]:
        """Yield frames; `captured` is when they were due."""
        start: float | None = None
        came = ready = 0.0  # when the caller came for a frame, and when the source was asked for one
        with contextlib.closing(self._frames()) as frames:
            for frame in frames:
                now = time.perf_counter()
                if start is None:
                    yield replace(frame, captured=now)
                    start = time.perf_counter() - frame.time
                else:
                    # Only the caller can be late. If the time that the source takes counted as well, a source
                    # that is slower than real time would fall behind for good, and no frame would be shown.
                    start += max(now - max(ready, start + frame.time), 0)
                    due = start + frame.time
                    if self._stop.wait(max(due - now, 0)):
                        return
                    late = now - due > _LATE_S
                    if late and now - came < _SKIPPING_S:
                        self.dropped += 1
                        ready = time.perf_counter()
                        continue
                    if late:
                        start, due = now - frame.time, now
                    yield replace(frame, captured=due)
                came = ready = time.perf_counter()

    def _frames(self) -> Generator[Frame]:
        n_before, time_before = 0, 0.0
        while True:
            n, end, interval = 0, 0.0, _FRAME_S
            with contextlib.closing(ahead(self._source, _READ_AHEAD, self._stop)) as frames:
                for frame in frames:
                    interval = interval if n == 0 else frame.time - end
                    n, end = frame.index + 1, frame.time
                    yield replace(frame, index=n_before + frame.index, time=time_before + frame.time)
            if n == 0 or not self._loop or self._stop.is_set():
                return
            n_before, time_before = n_before + n, time_before + end + interval


class _Slot:
    """Room for one frame, or for the error that ends them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._error: BaseException | None = None
        self._ended = False
        self.closed = False

    def put(self, frame: Frame) -> bool:
        """Replace the frame in the slot; whether that frame was never taken."""
        with self._changed:
            dropped = self._frame is not None
            self._frame = frame
            self._changed.notify()
            return dropped

    def end(self, error: BaseException | None = None) -> None:
        """End the frames."""
        with self._changed:
            self._error, self._ended = error, True
            self._changed.notify()

    def close(self) -> None:
        """Ask for no more frames."""
        with self._changed:
            self.closed = True

    def take(self, stop: threading.Event) -> Frame | None:
        """Wait for the next frame; None at the end, or when `stop` is set."""
        with self._changed:
            while self._frame is None:
                if self._error is not None:
                    raise self._error
                if self._ended or stop.is_set():
                    return None
                self._changed.wait(_POLL_S)  # a wait without a limit would not notice Ctrl-C
            frame, self._frame = self._frame, None
            return None if stop.is_set() else frame


class UntilError:
    """Yield the items of a source up to its first error, so that what was recorded before can be kept.

    Attributes:
        error: the error that ended the source; None when it ended by itself.
    """

    def __init__(self, source: Iterable[Frame]) -> None:
        self._source = source
        self.error: TddfaError | None = None

    def __iter__(self) -> Generator[Frame]:
        """Yield the items."""
        try:
            yield from self._source
        except TddfaError as error:
            self.error = error
