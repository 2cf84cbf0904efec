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
from waiting import wait_until

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
    monkeypatch.setattr("tddfa.streams.live.ahead", lambda items, size: (item for item in items))
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
