"""Video files to frames: every picture, its time, upright; and one line for what is no video."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

import image_bytes
from clips import sample_images, write_clip, write_sound
from tddfa.errors import InputError, VideoFileError
from tddfa.video import VideoReader
from tddfa.video.reader import Moment


def test_every_frame_comes_with_its_image_number_and_time(tmp_path):
    images = sample_images(7)
    reader = VideoReader(write_clip(tmp_path / "a.mp4", images, rate=25))
    frames = list(reader)
    assert reader.n_frames == 7
    assert reader.rate == 25
    assert reader.damage is None
    assert [f.index for f in frames] == list(range(7))
    assert [f.time for f in frames] == pytest.approx([i / 25 for i in range(7)], abs=1e-4)
    for frame, image in zip(frames, images, strict=True):
        assert np.abs(frame.image.astype(int) - image).mean() < 3  # what H.264 loses


def test_a_reader_can_be_read_again(tmp_path):
    reader = VideoReader(write_clip(tmp_path / "a.mp4", sample_images(4)))
    assert [f.index for f in reader] == [f.index for f in reader] == [0, 1, 2, 3]


def test_variable_frame_times_are_kept(tmp_path):
    times = [0.0, 0.04, 0.2, 0.21, 0.5]
    reader = VideoReader(write_clip(tmp_path / "a.mp4", sample_images(5), times=times))
    assert [f.time for f in reader] == pytest.approx(times, abs=1e-3)


@pytest.mark.parametrize("name", ["a.mkv", "a.nut"])
def test_a_recording_that_begins_late_is_as_long_as_its_frames(tmp_path, name):
    """Recorders give the time of day to some: ten frames are no ten hours."""
    times = [36_000 + k / 25 for k in range(10)]
    reader = VideoReader(write_clip(tmp_path / name, sample_images(10), times=times))
    assert reader.n_frames in (9, 10)
    assert [frame.time for frame in reader] == pytest.approx([k / 25 for k in range(10)], abs=2e-3)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_rotated_videos_come_upright(tmp_path, turns):
    upright = sample_images(2)
    stored = [np.ascontiguousarray(np.rot90(image, -turns)) for image in upright]
    frame = next(iter(VideoReader(write_clip(tmp_path / "a.mp4", stored, rotation=90 * turns))))
    assert frame.image.shape == upright[0].shape
    assert np.abs(frame.image.astype(int) - upright[0]).mean() < 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_frames_with_exif_data_come_upright(tmp_path, orientation):
    """JPEG images of cameras: FFmpeg gives their EXIF data with the frame, a kind that PyAV does not know."""
    upright = image_bytes.corners()
    (tmp_path / "a.jpg").write_bytes(image_bytes.pillow(upright, "JPEG", orientation))
    (frame,) = VideoReader(tmp_path / "a.jpg")
    assert frame.image.shape == upright.shape
    assert np.abs(frame.image.astype(int) - upright).mean() < 3


def test_pixels_that_are_not_square_are_made_square(tmp_path):
    path = write_clip(tmp_path / "a.mp4", sample_images(2, 48, 64), aspect=Fraction(3, 2))
    assert next(iter(VideoReader(path))).image.shape == (48, 96, 3)


def test_start_and_end_choose_frames_by_number_or_time(tmp_path):
    path = write_clip(tmp_path / "a.mp4", sample_images(10), rate=25)

    def indices(start, end):
        reader = VideoReader(path, start=start and Moment.parse(start), end=end and Moment.parse(end))
        found = [f.index for f in reader]
        assert reader.n_frames == len(found)
        return found

    assert indices("3", "6") == [3, 4, 5]
    assert indices("0.2s", None) == [5, 6, 7, 8, 9]
    assert indices(None, "0:00.08") == [0, 1]


@pytest.mark.parametrize("text", ["-1", "x", "1:x", "nan", "infs", "-2s", "", "1:-5", "-1:30", "1:2:3:4"])
def test_a_moment_that_is_none_says_what_one_is(text):
    with pytest.raises(InputError, match="give a frame"):
        Moment.parse(text)


def test_a_video_of_one_frame_has_one_frame(tmp_path):
    assert len(list(VideoReader(write_clip(tmp_path / "a.mp4", sample_images(1))))) == 1


def test_a_start_behind_the_end_is_one_line(tmp_path):
    reader = VideoReader(write_clip(tmp_path / "a.mp4", sample_images(3)), start=Moment(5))
    with pytest.raises(VideoFileError, match="it has 3 frames"):
        list(reader)


def test_an_end_before_the_start_is_not_called_a_short_video(tmp_path):
    path = write_clip(tmp_path / "a.mp4", sample_images(10))
    for start, end in ((6, 3), (3, 3), (None, 0), ("0.2s", "0.1s")):
        with pytest.raises(VideoFileError, match=r"no frame of .*a\.mp4 lies between the start and the end"):
            list(VideoReader(path, start=start, end=end))
    with pytest.raises(VideoFileError, match=r"ends before the start: it has 1 frame$"):
        list(VideoReader(write_clip(tmp_path / "b.mp4", sample_images(1)), start=5))


def test_what_is_no_video_is_one_line(tmp_path):
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_bytes(b"not a video at all, but long enough to look into\n" * 50)
    write_sound(tmp_path / "sound.m4a")
    expected = {
        "missing.mp4": "no such file",
        "empty.mp4": "is empty",
        "text.mp4": "is no video",
        "sound.m4a": "has no video track, only sound",
        ".": "is a folder",
    }
    for name, text in expected.items():
        with pytest.raises(VideoFileError, match=text) as caught:
            VideoReader(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_a_video_without_its_index_is_one_line(tmp_path):
    whole = write_clip(tmp_path / "a.mp4", sample_images(30)).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(VideoFileError, match="cut off or damaged"):
        VideoReader(tmp_path / "cut.mp4")


def test_a_video_whose_decoder_passes_over_most_of_it_says_so(tmp_path):
    """A decoder of HEVC drops what it does not know without an error: here the slices of later frames."""
    options = {"x265-params": "log-level=none:keyint=250:bframes=0"}
    path = write_clip(tmp_path / "a.mkv", sample_images(40), codec="libx265", options=options)
    with av.open(str(path)) as whole, av.open(str(tmp_path / "b.mkv"), "w") as damaged:
        track = damaged.add_stream_from_template(whole.streams.video[0])
        for k, packet in enumerate(whole.demux(video=0)):
            if packet.size:
                data = bytearray(bytes(packet))
                if k >= 8:
                    data[4] = 41 << 1  # the type of the unit behind its length: reserved
                changed = av.Packet(bytes(data))
                changed.pts, changed.dts, changed.time_base = packet.pts, packet.dts, packet.time_base
                changed.is_keyframe, changed.stream = packet.is_keyframe, track
                damaged.mux(changed)
    reader = VideoReader(tmp_path / "b.mkv")
    assert len(list(reader)) == 8
    assert reader.damage is not None
    assert reader.damage.endswith("b.mkv is cut off or damaged: 8 frames can be read")


def test_a_video_cut_off_behind_its_index_gives_what_is_there_and_says_so(tmp_path):
    noise = list(np.random.default_rng(0).integers(0, 255, (40, 64, 64, 3)).astype(np.uint8))
    path = write_clip(tmp_path / "a.mkv", noise)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    reader = VideoReader(path)
    n = len(list(reader))
    assert 5 < n < 35

    from tddfa.video import VideoWriter

    with VideoWriter(tmp_path / "b.mp4", rate=Fraction(25)) as writer:  # its index is in front
        for i, image in enumerate(noise):
            writer.write(image, i / 25)
    whole = (tmp_path / "b.mp4").read_bytes()
    (tmp_path / "c.mp4").write_bytes(whole[: len(whole) // 2])
    reader = VideoReader(tmp_path / "c.mp4")
    n = len(list(reader))
    assert 5 < n < 35
    assert reader.damage is not None
    assert f"{n} of 40 frames" in reader.damage


def test_frames_leave_the_memory_when_they_are_let_go(tmp_path):
    import gc

    import av

    reader = VideoReader(write_clip(tmp_path / "a.mp4", sample_images(60)))
    gc.collect()
    gc.disable()  # what is freed only by it lies in memory for a hundred frames
    try:
        held = max(sum(isinstance(o, av.VideoFrame) for o in gc.get_objects()) for _ in reader)
    finally:
        gc.enable()
    assert held < 20


def test_small_frames_are_converted_without_threads_that_come_and_go(tmp_path: Path) -> None:
    tasks = Path("/proc/self/task")
    if not tasks.is_dir():
        pytest.skip("threads are counted on Linux")
    clip = write_clip(tmp_path / "a.mp4", sample_images(12))
    frames = iter(VideoReader(clip))
    next(frames)
    before = {path.name for path in tasks.iterdir()}
    kept = [frame for frame in frames if frame.coded is not None]
    after = {path.name for path in tasks.iterdir()}
    assert len(kept) == 11
    assert len(after - before) == 0
