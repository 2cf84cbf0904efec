"""A camera, played by functions: the newest picture, reconnection, one line when it is gone."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from clips import write_sound
from tddfa.errors import VideoFileError
from tddfa.video import Camera


def numbered(start: int = 0, stop: int | None = None, pause: float = 0.002):
    for i in itertools.count(start) if stop is None else range(start, stop):
        yield np.full((2, 2, 3), i % 256, np.uint8)
        time.sleep(pause)


def test_a_slow_reader_gets_the_newest_image():
    shown = []

    def counted():
        for image in numbered():
            shown.append(None)
            yield image

    frames = iter(Camera(connect=counted))
    first = int(next(frames).image[0, 0, 0])
    while len(shown) < first + 20:
        time.sleep(0.005)
    second = next(frames)
    frames.close()
    assert second.image[0, 0, 0] > first + 10
    assert second.index == 1
    assert second.time >= 0.02


def test_a_camera_that_stops_is_opened_again():
    visits = iter([numbered(0, 3), numbered(100)])
    frames = iter(Camera(connect=lambda: next(visits), patience_s=0.2))
    seen = [next(frames).image[0, 0, 0] for _ in range(6)]
    frames.close()
    assert seen[-1] >= 100


def test_a_camera_that_does_not_come_back_ends_with_one_line():
    visits = iter([numbered(0, 3)])

    def connect():
        for pictures in visits:
            return pictures
        raise VideoFileError("gone")

    with pytest.raises(VideoFileError, match="camera 0 was lost and does not come back"):
        for _ in Camera(connect=connect, patience_s=0.05):
            pass


def test_a_camera_without_images_is_one_line():
    with pytest.raises(VideoFileError, match="gives no images"):
        Camera(connect=lambda: iter(()))


def test_an_address_that_gives_sound_or_rubbish_is_one_line(tmp_path):
    (tmp_path / "text.mp4").write_text("nothing to see here\n" * 100)
    with pytest.raises(VideoFileError, match="cannot open camera"):
        Camera(f"file://{tmp_path / 'text.mp4'}")
    with pytest.raises(VideoFileError, match="gives no images"):
        Camera(f"file://{write_sound(tmp_path / 'sound.m4a')}")


def test_a_camera_that_is_not_there_is_one_line():
    with pytest.raises(VideoFileError, match="cannot open camera 97") as caught:
        Camera(97)
    assert "\n" not in str(caught.value)
