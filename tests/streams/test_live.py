"""Live sources: the newest frame wins; files play at their own speed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from tddfa.errors import VideoFileError
from tddfa.streams import NewestFrames, RealTimeFrames
from tddfa.streams.live import UntilError
from tddfa.video import Frame
from waiting import PATIENCE_S, wait_until

IMAGE = np.zeros((4, 4, 3), np.uint8)


def frames(n: int) -> Iterator[Frame]:
    for k in range(n):
        yield Frame(k, k / 30, IMAGE)


class Camera:
    """Frames that come when the test says so."""

    def __init__(self) -> None:
        self.ready = threading.Semaphore(0)
        self.delivered = threading.Semaphore(0)

    def __iter__(self) -> Iterator[Frame]:
        for frame in frames(1000):
            self.ready.acquire()
            self.delivered.release()
            yield frame

    def deliver(self, n: int) -> None:
        for _ in range(n):
            self.ready.release()
            self.delivered.acquire()


def test_the_newest_frame_wins_and_the_others_are_counted():
    camera = Camera()
    newest = NewestFrames(camera)
    taken = iter(newest)
    camera.ready.release()
    assert next(taken).index == 0
    camera.delivered.acquire()
    asked = time.perf_counter()
    camera.deliver(6)
    wait_until(lambda: newest.dropped == 5)  # the capture thread has put the last one into its place
    before = time.perf_counter()
    frame = next(taken)
    assert frame.index == 6
    assert frame.captured is not None
    assert asked <= frame.captured <= before
    assert newest.dropped == 5
    camera.ready.release(5)
    taken.close()


def test_a_silent_camera_ends_when_it_is_stopped():
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    assert list(NewestFrames(Camera(), stop)) == []


def test_a_camera_that_fails_is_an_error_after_its_last_frame():
    def failing() -> Iterator[Frame]:
        yield from frames(1)
        time.sleep(0.05)
        raise VideoFileError("camera 0 was lost")

    taken = iter(NewestFrames(failing()))
    assert next(taken).index == 0
    with pytest.raises(VideoFileError, match="lost"):
        next(taken)
    until = UntilError(NewestFrames(failing()))
    assert [frame.index for frame in until] == [0]
    assert isinstance(until.error, VideoFileError)


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """A clock that goes on when somebody waits."""
    now = [100.0]

    def wait(self: threading.Event, seconds: float | None = None) -> bool:
        now[0] += seconds or 0
        return self.is_set()

    monkeypatch.setattr("tddfa.streams.live.time.perf_counter", lambda: now[0])
    monkeypatch.setattr("tddfa.streams.live.threading.Event.wait", wait)
    monkeypatch.setattr("tddfa.streams.live.ahead", lambda items, *_: (item for item in items))
    return now


def test_a_file_plays_at_its_own_speed(clock):
    due = []
    for frame in RealTimeFrames(list(frames(31))):
        due.append(clock[0])
        assert frame.captured == pytest.approx(clock[0])
    assert np.diff(due) == pytest.approx(1 / 30)
    assert due[-1] == pytest.approx(101.0)


def test_work_on_the_first_frame_makes_no_frame_late(clock):
    source = RealTimeFrames(list(frames(31)))
    for frame in source:
        if frame.index == 0:
            clock[0] += 5
    assert source.dropped == 0
    assert clock[0] == pytest.approx(106.0)


def test_short_hiccups_skip_no_frame_and_long_ones_do(clock):
    source = RealTimeFrames(list(frames(61)))
    seen = []
    for frame in source:
        seen.append(frame.index)
        clock[0] += {10: 0.2, 30: 0.6}.get(frame.index, 0)
    assert source.dropped == 61 - len(seen)
    assert seen[:31] == list(range(31))
    assert 8 <= source.dropped <= 12
    assert clock[0] == pytest.approx(102.0)


def slow_frames(clock: list[float], n: int, decoding_s: float) -> Iterator[Frame]:
    for frame in frames(n):
        clock[0] += decoding_s
        yield frame


def test_a_video_that_is_decoded_slower_than_real_time_plays_slowly_and_shows_every_frame(clock):
    source = RealTimeFrames(slow_frames(clock, 200, 0.1))
    shown = []
    for frame in source:
        shown.append(frame.index)
        assert frame.captured == pytest.approx(clock[0]), "no frame is older than it can be"
    assert shown == list(range(200))
    assert source.dropped == 0


@pytest.mark.parametrize("decoding_s", [0.0, 0.02, 0.04, 0.3])
@pytest.mark.parametrize("working_s", [0.02, 0.04, 0.3, 2.0])
def test_however_slow_decoding_and_the_caller_are_frames_are_shown_to_the_end(clock, decoding_s, working_s):
    source = RealTimeFrames(slow_frames(clock, 300, decoding_s))
    shown, at = [], []
    for frame in source:
        assert clock[0] - frame.captured < 0.26
        shown.append(frame.index)
        at.append(clock[0])
        clock[0] += working_s
    assert source.dropped == 300 - len(shown)
    if working_s < 1 / 30:
        assert shown == list(range(300))
    skipped = int(np.diff(shown).max()) - 1
    assert skipped <= 30 * working_s + 8, "the caller skips what it has no time for"
    assert shown[-1] >= 299 - skipped
    assert np.diff(at).max() <= working_s + 0.25 + max(decoding_s, 1 / 30) + 1e-6, "no still between"


def test_a_source_that_pauses_is_waited_for_and_nothing_is_skipped_after_it(clock):
    def pausing() -> Iterator[Frame]:
        for frame in frames(61):
            clock[0] += 5.0 if frame.index == 30 else 0.0
            yield frame

    source = RealTimeFrames(pausing())
    assert [frame.index for frame in source] == list(range(61))
    assert source.dropped == 0
    assert clock[0] == pytest.approx(107.0 - 1 / 30)


def test_a_caller_that_stood_still_gets_the_next_frames_where_catching_up_would_take_long(clock):
    source = RealTimeFrames(slow_frames(clock, 600, 0.03))
    shown = []
    for frame in source:
        shown.append(frame.index)
        clock[0] += 10 if frame.index == 100 else 0
    assert source.dropped == 600 - len(shown) <= 10
    assert shown[-1] == 599


def test_frames_of_a_thread_that_decodes_too_slowly_are_shown_beyond_the_time_that_makes_frames_late():
    def slow() -> Iterator[Frame]:
        for frame in frames(16):
            time.sleep(0.1)  # three times the frame's duration
            yield frame

    shown = [frame.index for frame in RealTimeFrames(slow())]
    # The frames from the fifth on are later than 0.25 s on a clock that does not wait for the source.
    assert max(shown) > 8


def test_a_silent_file_ends_when_it_is_stopped(monkeypatch):
    def silent() -> Iterator[Frame]:
        yield from frames(1)
        assert released.wait(PATIENCE_S)

    monkeypatch.setattr("tddfa.video.threads._JOIN_S", 0.01)
    stop, released = threading.Event(), threading.Event()
    taken = iter(RealTimeFrames(silent(), stop=stop))
    assert next(taken).index == 0
    threading.Timer(0.1, stop.set).start()
    assert next(taken, None) is None
    released.set()


def test_a_loop_goes_on_counting(clock):
    source = iter(RealTimeFrames(list(frames(3)), loop=True))
    taken = [next(source) for _ in range(8)]
    assert [frame.index for frame in taken] == list(range(8))
    assert [frame.time for frame in taken] == pytest.approx([k / 30 for k in range(8)])
    source.close()
    assert list(RealTimeFrames([], loop=True)) == []


def test_a_short_file_that_opens_slowly_is_shown_in_every_round(clock):
    class SlowToOpen:
        def __iter__(self) -> Iterator[Frame]:
            clock[0] += 0.2
            yield from frames(1)

    source = RealTimeFrames(SlowToOpen(), loop=True)
    taken = iter(source)
    assert [next(taken).index for _ in range(20)] == list(range(20))
    assert source.dropped == 0
    taken.close()


def test_a_loop_whose_source_has_no_frame_left_ends(clock):
    class Emptied:
        rounds = 0

        def __iter__(self) -> Iterator[Frame]:
            self.rounds += 1
            return frames(3 if self.rounds < 3 else 0)

    source = Emptied()
    assert [frame.index for frame in RealTimeFrames(source, loop=True)] == list(range(6))
    assert source.rounds == 3
