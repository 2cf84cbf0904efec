"""Images as a video: folders, globs, patterns, lists; animated WebP."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import PIL.Image
import pytest

from clips import sample_images, write_clip
from tddfa import write_image
from tddfa.errors import InputError, VideoFileError
from tddfa.video import ImageSequence, VideoReader, VideoWriter, open_video
from tddfa.video.moment import Moment
from tddfa.video.sequence import missing_numbers


@pytest.fixture
def folder(tmp_path):
    shots = tmp_path / "shot"
    shots.mkdir()
    for k, image in enumerate(sample_images(12), start=1):
        write_image(shots / f"frame{k}.png", image)
    (shots / "._frame1.png").write_bytes(b"resource fork")
    (shots / ".hidden.png").write_bytes(b"")
    (shots / "notes.txt").write_text("no image")
    return shots


def grey(source) -> list[int]:
    return [int(frame.image[-1, -1, 0]) for frame in source]


RISING = [int(image[-1, -1, 0]) for image in sample_images(12)]


def test_a_folder_a_glob_a_pattern_and_a_list_mean_the_same_frames_in_the_order_of_counting(folder):
    files = [folder / f"frame{k}.png" for k in range(1, 13)]
    for place in (folder, f"{folder}/*.png", f"{folder}/frame%d.png", files):
        source = open_video(place, fps=50)
        assert grey(source) == RISING
        assert [f.time for f in source] == pytest.approx([k / 50 for k in range(12)])
        assert (source.n_frames, source.rate, source.damage) == (12, 50, None)


def test_padded_patterns_match_padded_numbers(folder):
    for path in folder.glob("frame*.png"):
        path.rename(folder / f"{int(path.stem[5:]):04d}.png")
    assert grey(open_video(f"{folder}/%04d.png")) == RISING


def test_start_and_end_choose_frames(folder):
    source = ImageSequence(folder, fps=10, start=Moment(3), end=Moment(0.7, "s"))
    assert [f.index for f in source] == [3, 4, 5, 6]
    assert source.n_frames == 4


def test_an_image_that_cannot_be_read_is_left_out_and_named(folder):
    (folder / "frame5.png").write_bytes(b"broken")
    source = open_video(folder)
    assert [f.index for f in source] == [k for k in range(12) if k != 4]
    assert source.damage is not None
    assert "1 of 12 images" in source.damage
    assert "frame5.png" in source.damage
    for path in folder.glob("frame*"):
        path.write_bytes(b"broken")
    with pytest.raises(VideoFileError, match="not one image of"):
        list(open_video(folder))


def test_no_images_is_one_line(tmp_path):
    for place in (tmp_path / "%d.png", tmp_path / "*.png", []):
        with pytest.raises(VideoFileError, match="no images in"):
            open_video(place)
    with pytest.raises(VideoFileError, match="is a folder, not a video"):
        open_video(tmp_path)


def test_a_video_is_a_video_and_has_its_own_rate(tmp_path):
    path = write_clip(tmp_path / "a.mp4", sample_images(2))
    assert isinstance(open_video(path), VideoReader)
    with pytest.raises(InputError, match="has a rate of its own"):
        open_video(path, fps=25)
    with pytest.raises(InputError, match="fps=-1; give frames per second above 0"):
        ImageSequence([path], fps=-1)


def test_an_animated_webp_has_its_frames_and_times(tmp_path):
    images = [PIL.Image.fromarray(image) for image in sample_images(4)]
    images[0].save(
        tmp_path / "a.webp", save_all=True, append_images=images[1:], duration=[40, 80, 40, 40], lossless=True
    )
    source = open_video(tmp_path / "a.webp")
    assert grey(source) == [int(image[-1, -1, 0]) for image in sample_images(4)]
    assert [f.time for f in source] == pytest.approx([0, 0.04, 0.12, 0.16])
    images[0].save(tmp_path / "still.webp", lossless=True)
    assert len(list(open_video(tmp_path / "still.webp"))) == 1


def test_an_animated_webp_that_lacks_frames_is_refused_and_not_shorter(tmp_path):
    images = [PIL.Image.fromarray(image) for image in sample_images(4)]
    path = tmp_path / "a.webp"
    images[0].save(path, save_all=True, append_images=images[1:], duration=40, lossless=True)
    data = bytearray(path.read_bytes())
    third = [found.end() for found in re.finditer(b"ANMF", data)][2]
    data[third + 33 : third + 41] = bytes(8)  # of its pixels
    path.write_bytes(data)
    with pytest.raises(VideoFileError, match="damaged WebP file: of its 4 frames 2 can be read; copy"):
        list(open_video(path))


def test_slow_rates_are_exact_and_those_that_are_too_slow_are_refused(tmp_path):
    path = tmp_path / "1.png"
    write_image(path, sample_images(1)[0])
    assert ImageSequence([path], fps=0.001).rate == Fraction(1, 1000)
    assert ImageSequence([path], fps=30000 / 1001).rate == Fraction(30000, 1001)
    for fps in (1e-9, 0.0009):
        with pytest.raises(InputError, match=r"give frames per second from 0\.001 on"):
            ImageSequence([path], fps=fps)
    with pytest.raises(InputError, match=r"rate=1e-09; give frames per second from 0\.001 on"):
        VideoWriter(tmp_path / "a.mp4", rate=1e-9)


def test_a_range_without_frames_is_one_line(folder, tmp_path):
    images = [PIL.Image.fromarray(image) for image in sample_images(2)]
    images[0].save(tmp_path / "a.webp", save_all=True, append_images=images[1:], duration=40)
    for place, line in ((folder, "it has 12 images"), (tmp_path / "a.webp", "it has 2 frames")):
        with pytest.raises(VideoFileError, match=f"ends before the start: {line}$"):
            list(open_video(place, start=50))
        for start, end in ((1, 1), (None, 0)):
            with pytest.raises(VideoFileError, match="lies between the start and the end; give an end after"):
                list(open_video(place, start=start, end=end))


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [
        (range(1, 20), []),
        ([*range(1, 8), *range(10, 30)], [8, 9]),
        (range(0, 100, 5), []),
        ([*range(0, 50, 5), *range(55, 100, 5)], [50]),
        ([3, 8, 21, 22, 40, 57, 80, 81, 99], []),  # photos
        ([1, 2, 4], []),  # too few to tell
        ([5] * 9, []),
    ],
)
def test_frames_that_are_missing_are_known_by_their_numbers(numbers, missing):
    assert missing_numbers([f"shot2_{n:04d}" for n in numbers]) == missing
    assert missing_numbers([f"shot{n}_{n:04d}" for n in numbers]) == []


def test_missing_frames_are_named_once(tmp_path, caplog):
    for n in range(12):
        if n != 7:
            write_image(tmp_path / f"{n:02d}.png", np.zeros((8, 8, 3), np.uint8))
    assert len(list(ImageSequence(tmp_path))) == 11
    (record,) = caplog.records
    assert record.getMessage().endswith(
        ": 1 of its numbers is missing (the first is 7); the frames after it come earlier"
    )
