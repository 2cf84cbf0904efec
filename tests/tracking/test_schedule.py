"""Which frames are searched, and how thoroughly."""

from tddfa.tracking.schedule import SearchSchedule
from tddfa.tracking.track import Track
from tddfa.tracking.trajectory import FacePosition, Trajectory


def track(*, visible: bool = True, has_left: bool = False, seen: int = 0) -> Track:
    """Return a track of which only this much is known."""
    made = Track.__new__(Track)
    made.state, made.has_left = "tracked" if visible else "lost", has_left
    made.path = Trajectory.begin(FacePosition(0, 0, 1), seen)
    return made


def searched(schedule: SearchSchedule, tracks: list[Track], frames: range) -> list[int]:
    found = []
    for frame in frames:
        if schedule.is_due(frame, tracks):
            schedule.begin_search(frame, is_missing=False)
            found.append(frame)
    return found


def test_a_frame_now_and_then_while_all_are_there_and_more_often_while_nobody_is() -> None:
    assert searched(SearchSchedule(30), [track()], range(100)) == [0, 30, 60, 90]
    assert searched(SearchSchedule(30), [], range(12)) == [0, 4, 8]
    assert searched(SearchSchedule(2), [], range(6)) == [0, 2, 4]


def test_a_loss_is_looked_for_in_every_frame_at_first() -> None:
    tracks = [track(), track(visible=False, seen=0)]
    assert searched(SearchSchedule(30), tracks, range(1, 24)) == [1, 2, 3, 4, 6, 8, 11, 14, 18, 22]
    left = [track(), track(visible=False, has_left=True)]
    assert searched(SearchSchedule(30), left, range(1, 62)) == [1, 31, 61]


def test_every_second_search_is_thorough_while_all_are_there() -> None:
    schedule = SearchSchedule(1)
    assert [schedule.begin_search(k, is_missing=False) for k in range(4)] == [True, False, True, False]
    assert schedule.begin_search(5, is_missing=True)
    assert schedule.begin_search(6, is_missing=True)


def test_the_wait_for_small_faces_doubles_with_each_search_in_vain() -> None:
    schedule, frames = SearchSchedule(30), []
    for frame in range(200):
        if schedule.small_is_due(frame):
            frames.append(frame)
            schedule.end_small(frame, found=False)
    assert frames == [0, 12, 36, 84, 132, 180]
    schedule.begin_shot(200)
    assert schedule.small_is_due(200)
    schedule.end_small(200, found=True)
    assert schedule.small_is_due(212)
