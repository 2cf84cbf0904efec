"""One time line that grows, whatever a file says of time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tddfa.video.timeline import FrameClock, PacketClock

STEP = 0.04
times = st.one_of(st.none(), st.floats(-1e6, 1e6), st.integers(-3, 60).map(lambda k: k * STEP))


def frame_times(pts: list[float | None], packets: list[float | None] | None = None) -> list[float]:
    """The times of frames: the decoder holds two packets back."""
    clock, out = FrameClock(STEP), []
    fed = pts if packets is None else packets
    clock.begin(pts[:8])
    for k, moment in enumerate(pts):
        for packet in fed[k + 2 if k else 0 : k + 3]:
            clock.feed(packet)
        out.append(clock.time(moment))
    return out


@given(st.lists(times, min_size=1, max_size=40))
def test_times_always_grow_from_zero(pts):
    out = frame_times(pts)
    assert out[0] == 0
    assert all(b > a for a, b in pairwise(out))


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30), st.floats(-1e5, 1e5))
def test_times_that_grow_are_kept(gaps, start):
    pts = list(start + np.cumsum(gaps) * 0.01)
    assert frame_times(pts) == pytest.approx([t - pts[0] for t in pts], abs=1e-6)


@given(st.integers(0, 5), st.sampled_from([1, 2, 3]))
def test_times_of_decoding_become_times_of_showing(lead, depth):
    """AVI numbers packets as they are decoded: every group of pictures comes with permuted times."""
    n = 30
    pts: list[float | None] = [k * STEP for k in range(lead)]
    while len(pts) < n:
        group = [(len(pts) + j) * STEP for j in range(depth + 1)]
        pts += group[1:] + group[:1]
    out = frame_times(pts, sorted(pts))
    np.testing.assert_allclose(out, np.arange(len(pts)) * STEP, atol=STEP * (1 if lead else 1e-6))


def test_a_repeated_time_takes_half_a_step_and_the_next_is_right_again():
    assert frame_times([0, 0.04, 0.04, 0.08, 0.12]) == pytest.approx([0, 0.04, 0.06, 0.08, 0.12])


def test_missing_times_go_on_at_the_usual_step():
    assert frame_times([None, None, None]) == pytest.approx([0, STEP, 2 * STEP])
    assert frame_times([0.0, None, 0.08, None]) == pytest.approx([0, 0.04, 0.08, 0.12])


def moved(dts: list[int | None], leap: int = 10_000, **options) -> list[int | None]:
    clock = PacketClock(10, leap, **options)
    return [clock.moved(t, t, 10)[1] for t in dts]


def test_a_clock_that_restarts_is_continued():
    first, second = list(range(1000, 1100, 10)), list(range(0, 100, 10))
    assert moved([*first, *second, *second]) == list(range(1000, 1300, 10))


def test_a_recording_that_restarts_at_once_is_continued_too():
    assert moved([0, 10, 20, 30, 40, 50, 0, 10, 20]) == list(range(0, 90, 10))


def test_a_leap_of_a_broadcast_is_closed_and_a_pause_of_a_recording_is_kept():
    assert moved([0, 10, 90_000, 90_010]) == [0, 10, 20, 30]
    assert moved([0, 10, 9_000, 9_010]) == [0, 10, 9_000, 9_010]


@pytest.mark.parametrize("wrong", [-50_000, 500_000])
def test_a_single_wrong_time_does_not_move_the_rest(wrong):
    out = moved([0, 10, 20, wrong, 40, 50, 60])
    assert out[-3:] == [40, 50, 60]
    assert out[3] == 30


def test_sound_and_video_stay_in_step_where_a_clock_restarts():
    video = PacketClock(30, 10_000)
    for t in [*range(0, 300, 30), *range(0, 300, 30)]:
        video.moved(t, t, 30)
    # The sound of the first part ends 7 ticks later than its video.
    sound = PacketClock(10, 10_000, lambda n: video.shifts[n] if n < len(video.shifts) else None)
    out = [sound.moved(t, t, 10)[1] for t in [*range(7, 307, 10), *range(7, 307, 10)]]
    assert out[30] == 307, "the shift of the video, 300, and not the end of the sound"


def test_times_without_decoding_times_may_be_out_of_order():
    clock = PacketClock(10, 10_000)
    pts = [0, 40, 20, 10, 30, 80, 60, 50, 70]
    assert [clock.moved(t, None, 10)[0] for t in pts] == pts
