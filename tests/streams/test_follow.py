"""From frames to tracked, smoothed frames: every frame once, with its own image and its own faces."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from clips import write_clip
from scene import Person, SceneAligner, scene_image
from tddfa.errors import InputError
from tddfa.streams import (
    LiveLinkCsvSink,
    Sink,
    TableSink,
    TimelineSink,
    TrackedFrame,
    VideoSink,
    follow,
    write_frames,
)
from tddfa.tracking import SMOOTHERS, FaceTracker, make_smoother
from tddfa.video import Frame, VideoReader

N = 12
HALF = {"window": {"n_pre": 2, "n_next": 2}}


class Source:
    """Frames that can be read again; counts how often."""

    def __init__(self, n: int = N) -> None:
        self.n, self.readings = n, 0

    def __iter__(self) -> Iterator[Frame]:
        self.readings += 1
        for t in range(self.n):
            yield Frame(100 + t, t / 30, scene_image(t))


def tracker() -> FaceTracker:
    return FaceTracker(SceneAligner([Person(lambda t: (200 + 3 * t, 180, 90, 1))]))


def smoothed_by_hand(name: str) -> list[list[np.ndarray]]:
    """The landmarks as the smoother itself gives them."""
    faces, smoother, follower = [], make_smoother(name, **HALF.get(name, {})), tracker()
    for frame in Source():
        faces += smoother.push(follower.update(frame.image), frame.time)
    faces += smoother.flush()
    return [[t.face.landmarks for t in each] for each in faces]


@pytest.mark.parametrize("name", SMOOTHERS)
@pytest.mark.parametrize("images", [True, False])
def test_every_smoother_gives_each_frame_its_own_image_and_faces(name, images):
    source = Source()
    frames = list(follow(source, tracker(), make_smoother(name, **HALF.get(name, {})), images=images))
    assert [frame.index for frame in frames] == [100 + t for t in range(N)]
    assert [frame.time for frame in frames] == [t / 30 for t in range(N)]
    for t, (frame, expected) in enumerate(zip(frames, smoothed_by_hand(name), strict=True)):
        if images:
            assert frame.image is not None
            assert np.array_equal(frame.image, scene_image(t))
        else:
            assert frame.image is None
        assert [len(frame.faces), len(frame.visible_faces)] == [1, 1]
        assert np.array_equal(frame.faces[0].face.landmarks, expected[0])
    assert source.readings == (2 if name == "zero-phase" and images else 1)


def test_a_smoother_can_be_named_and_a_wrong_name_is_one_line():
    by_name, by_value = (
        list(follow(Source(), tracker(), smoother)) for smoother in ("window", make_smoother("window"))
    )
    for a, b in zip(by_name, by_value, strict=True):
        assert np.array_equal(a.faces[0].face.landmarks, b.faces[0].face.landmarks)
    with pytest.raises(InputError, match="choose from one-euro, none, window, zero-phase"):
        follow(Source(), tracker(), "kalman")


def test_what_can_be_read_once_is_not_read_twice():
    with pytest.raises(InputError, match="pass a VideoReader or a list"):
        follow(iter(Source()), tracker(), "zero-phase")
    frames = list(follow(iter(Source()), tracker(), "zero-phase", images=False))
    assert len(frames) == N
    assert len(list(follow(iter(Source()), tracker(), "window"))) == N


@pytest.mark.parametrize("name", SMOOTHERS)
def test_stopped_early_it_gives_what_was_read(name):
    stop = threading.Event()
    read = itertools.count(1)

    def progress() -> None:
        if next(read) == 7:
            stop.set()

    frames = list(follow(Source(), tracker(), name, stop=stop, progress=progress))
    assert [frame.index for frame in frames] == [100 + t for t in range(7)]
    assert all(frame.image is not None for frame in frames)


def test_images_are_not_kept_longer_than_the_smoother_needs():
    class Counted(np.ndarray):
        """An image that knows how many of its kind live."""

        alive = 0

        def __del__(self) -> None:
            Counted.alive -= 1

    class Images(Source):
        def __iter__(self) -> Iterator[Frame]:
            for frame in super().__iter__():
                image = np.array(frame.image).view(Counted)
                Counted.alive += 1
                yield replace(frame, image=image)

    most = 0
    for _ in follow(Images(), tracker(), make_smoother("zero-phase")):
        most = max(most, Counted.alive)
    assert most <= 3


def test_a_second_reading_keeps_what_the_source_says_about_damage():
    class Damaged(Source):
        damage: str | None = None

        def __iter__(self) -> Iterator[Frame]:
            self.damage = None
            yield from super().__iter__()
            self.damage = "cut off"

    source = Damaged()
    assert len(list(follow(source, tracker(), "zero-phase"))) == N
    assert source.damage == "cut off"


def test_frames_are_written_to_every_sink_and_all_are_closed():
    class Remembers:
        needs_image = False

        def __init__(self) -> None:
            self.seen: list[int] = []
            self.open = False

        def __enter__(self):
            self.open = True
            return self

        def write(self, frame: TrackedFrame) -> None:
            assert self.open
            self.seen.append(frame.index)

        def __exit__(self, *_: object) -> None:
            self.open = False

    a, b = Remembers(), Remembers()
    assert isinstance(a, Sink)
    assert write_frames(follow(Source(), tracker()), a, b) == N
    assert a.seen == b.seen == [100 + t for t in range(N)]
    assert [a.open, b.open] == [False, False]

    def broken() -> Iterator[TrackedFrame]:
        yield next(follow(Source(), tracker()))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_frames(broken(), a)
    assert not a.open


def test_a_video_shows_what_any_function_draws(tmp_path):
    def white(image: np.ndarray, faces: list) -> np.ndarray:
        assert len(faces) == 1
        return np.full_like(image, 255)

    with VideoSink(tmp_path / "a.mp4", draw=white, rate=30) as video:
        for frame in follow(Source(), tracker(), "window"):
            video.write(frame)
    frames = list(VideoReader(tmp_path / "a.mp4"))
    assert len(frames) == N
    assert frames[-1].image.min() > 240
    assert frames[-1].time == pytest.approx((N - 1) / 30, abs=1e-3)
    with pytest.raises(InputError, match="choose one of 2d_sparse"):
        VideoSink(tmp_path / "b.mp4", draw="4d")
    with pytest.raises(InputError, match="images=True"):
        write_frames(follow(Source(), tracker(), images=False), VideoSink(tmp_path / "b.mp4"))
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


class Told(FaceTracker):
    """A tracker that notes when it searches."""

    def __init__(self) -> None:
        people = [Person(lambda t: (150, 180, 90, 1)), Person(lambda t: (450, 180, 90, 1))]
        super().__init__(SceneAligner(people), detect_every=2)
        self.log: list[str] = []

    def search(self) -> None:
        before = self._aligner.searches
        super().search()
        if self._aligner.searches > before:
            self.log.append("searched")


@pytest.mark.parametrize("live", [True, False])
def test_a_live_frame_is_given_before_it_is_searched_and_one_of_a_file_after(live):
    told = Told()
    frames = [Frame(t, t / 30, scene_image(t), captured=1.0 if live else None) for t in range(6)]
    ids = []
    for frame in follow(frames, told):
        told.log.append(f"frame {frame.index}")
        ids.append([t.id for t in frame.faces])
    first, second = ("frame 2", "searched") if live else ("searched", "frame 2")
    assert told.log.index(second) == told.log.index(first) + 1
    assert told.log.count("searched") == 2
    assert ids == [[0, 1]] * 6


def test_a_function_may_draw_on_the_image_that_it_is_given(tmp_path):
    def in_place(image: np.ndarray, faces: list) -> np.ndarray:
        image[:] = (0, 0, 250)
        return image

    source = VideoReader(write_clip(tmp_path / "clip.mp4", [scene_image(t) for t in range(3)]))
    mine, other = VideoSink(tmp_path / "a.mp4", source, draw=in_place), VideoSink(tmp_path / "b.mp4", source)
    write_frames(follow(source, tracker()), mine, other)
    for frame in VideoReader(tmp_path / "a.mp4"):
        assert np.abs(frame.image.astype(int) - (0, 0, 250)).max() < 12
    for frame in VideoReader(tmp_path / "b.mp4"):
        assert np.abs(frame.image.astype(int) - (0, 0, 250)).max() > 100, "the image of others is as it was"


def test_a_function_that_returns_no_image_is_told(tmp_path):
    with pytest.raises(InputError, match="draw returned None; let the function return the image"):
        write_frames(follow(Source(), tracker()), VideoSink(tmp_path / "a.mp4", draw=lambda *_: None))
    assert list(tmp_path.iterdir()) == []


def test_a_sink_takes_each_frame_once(tmp_path):
    sink = TableSink(tmp_path / "a.csv")
    with pytest.raises(InputError, match=r"sinks\[1\] is there twice"):
        write_frames(follow(Source(), tracker()), sink, sink)
    assert list(tmp_path.iterdir()) == []


def test_a_sink_that_is_used_again_begins_anew(tmp_path):
    frames = list(follow(Source(), tracker()))
    timeline = TimelineSink("a", report=tmp_path / "a.html")
    sinks = [
        timeline,
        TableSink(tmp_path / "a.csv"),
        LiveLinkCsvSink(tmp_path / "b.csv"),
        VideoSink(tmp_path / "a.mp4"),
    ]
    for n in (len(frames), 5):
        assert write_frames(frames[:n], *sinks) == n
        assert timeline.timeline().record()["n_frames"] == n
        assert [(tmp_path / f"{name}.csv").read_text().count("\n") for name in "ab"] == [n + 1, n + 1]
        assert len(list(VideoReader(tmp_path / "a.mp4"))) == n
