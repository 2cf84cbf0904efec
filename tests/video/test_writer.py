"""Frames to MP4 files, judged by FFmpeg's own reading of them."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from clips import sample_images, write_clip
from tddfa.errors import InputError, VideoFileError
from tddfa.video import VideoReader, VideoWriter
from tddfa.video.reader import Moment


def copy(reader: VideoReader, path) -> None:
    with VideoWriter(path, rate=reader.rate, time_base=reader.time_base, sound_of=reader) as writer:
        for frame in reader:
            writer.write(frame.image, frame.time)


def fail_while_writing(path) -> None:
    with VideoWriter(path, rate=Fraction(25)) as writer:
        writer.write(sample_images(1)[0], 0.0)
        raise RuntimeError


def write_one(path, encoder) -> None:
    with VideoWriter(path, rate=Fraction(25), encoder=encoder) as writer:
        writer.write(sample_images(1)[0], 0.0)


def write_nothing(path) -> None:
    with VideoWriter(path, rate=Fraction(25)):
        pass


def sound_of(path) -> tuple[str, float, float]:
    """Codec, first time and last time, s."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
        codec = container.streams.audio[0].codec_context.name
    last = frames[-1]
    return codec, frames[0].time, last.time + last.samples / last.sample_rate


def test_the_file_is_h264_and_holds_the_images(tmp_path):
    images = sample_images(6)
    with VideoWriter(tmp_path / "a.mp4", rate=Fraction(30)) as writer:
        for i, image in enumerate(images):
            writer.write(image, i / 30)
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == 30
    for frame, image in zip(VideoReader(tmp_path / "a.mp4"), images, strict=True):
        assert np.abs(frame.image.astype(int) - image).mean() < 4


def test_times_of_a_variable_frame_rate_are_the_same_after_a_copy(tmp_path):
    times = [0.0, 0.04, 0.2, 0.21, 0.5]
    source = VideoReader(write_clip(tmp_path / "a.mp4", sample_images(5), times=times))
    copy(source, tmp_path / "b.mp4")
    assert [f.time for f in VideoReader(tmp_path / "b.mp4")] == pytest.approx(
        [f.time for f in source], abs=1e-6
    )


def test_odd_sides_grow_by_a_pixel(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", rate=Fraction(25)) as writer:
        writer.write(np.zeros((47, 63, 3), np.uint8), 0.0)
    assert next(iter(VideoReader(tmp_path / "a.mp4"))).image.shape == (48, 64, 3)


def test_images_of_another_size_are_scaled_to_the_first(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", rate=Fraction(25)) as writer:
        writer.write(sample_images(1, 48, 64)[0], 0.0)
        writer.write(sample_images(1, 96, 128)[0], 0.04)
    first, second = VideoReader(tmp_path / "a.mp4")
    assert first.image.shape == second.image.shape
    assert np.abs(first.image.astype(int) - second.image).mean() < 4


@pytest.mark.parametrize("shape", [(48, 128), (128, 48)])
def test_images_of_another_shape_have_bars(tmp_path, shape):
    with VideoWriter(tmp_path / "a.mp4", rate=25) as writer:
        writer.write(np.zeros((64, 64, 3), np.uint8), 0.0)
        writer.write(np.full((*shape, 3), 200, np.uint8), 0.04)
    _, second = VideoReader(tmp_path / "a.mp4")
    bright = second.image[..., 1] > 100
    assert second.image.shape == (64, 64, 3)
    assert (bright.any(axis=1).sum(), bright.any(axis=0).sum()) == (shape[0] // 2, shape[1] // 2)
    assert bright[32, 32], "in the middle"


def test_views_of_other_arrays_are_written_as_they_look(tmp_path):
    image = sample_images(1)[0]
    with VideoWriter(tmp_path / "a.mp4", rate=Fraction(25)) as writer:
        writer.write(image[:, ::-1], 0.0)
    seen = next(iter(VideoReader(tmp_path / "a.mp4"))).image
    assert np.abs(seen.astype(int) - image[:, ::-1]).mean() < 4


@pytest.mark.parametrize(
    ("codec", "container"), [("aac", "mp4"), ("libmp3lame", "mp4"), ("pcm_s16le", "mov")]
)
def test_sound_is_kept_in_time(tmp_path, codec, container):
    source = write_clip(tmp_path / f"a.{container}", sample_images(50), sound=codec)
    copy(VideoReader(source), tmp_path / "b.mp4")
    kind, first, last = sound_of(tmp_path / "b.mp4")
    assert kind == {"libmp3lame": "mp3float"}.get(codec, "aac")
    assert first == pytest.approx(sound_of(source)[1], abs=0.03)
    assert last == pytest.approx(2.0, abs=0.06)


def test_sound_is_cut_with_the_images(tmp_path):
    source = write_clip(tmp_path / "a.mp4", sample_images(50), sound="aac")
    copy(VideoReader(source, start=Moment(20), end=Moment(40)), tmp_path / "b.mp4")
    _, first, last = sound_of(tmp_path / "b.mp4")
    assert first == pytest.approx(0.0, abs=0.03)
    assert last == pytest.approx(20 / 25, abs=0.06)


def test_an_error_leaves_nothing_behind(tmp_path):
    with pytest.raises(RuntimeError):
        fail_while_writing(tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []


def test_an_error_leaves_the_file_that_was_there(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"mine")
    with pytest.raises(RuntimeError):
        fail_while_writing(tmp_path / "a.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == b"mine"


def test_a_video_without_images_is_one_line_and_no_file(tmp_path):
    with (
        pytest.raises(VideoFileError, match="not one frame"),
        VideoWriter(tmp_path / "a.mp4", rate=Fraction(25)),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(VideoFileError, match=r"cannot write .*nowhere/a.mp4: No such file"):
        write_nothing(tmp_path / "nowhere" / "a.mp4")


@pytest.mark.parametrize("encoder", ["h264_videotoolbox", "h264_v4l2m2m"])
def test_an_encoder_that_does_not_work_here_is_named(tmp_path, encoder):
    try:
        write_one(tmp_path / "a.mp4", encoder)
    except VideoFileError as error:
        message = str(error)
    else:
        pytest.skip(f"{encoder} works here")
    assert message.startswith(f"cannot write {tmp_path / 'a.mp4'}: the encoder {encoder} cannot be used")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_not_blamed_on_the_encoder(tmp_path):
    resource = pytest.importorskip("resource", reason="needs limits of processes")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, before[1]))
    try:
        with pytest.raises(VideoFileError, match=r"cannot write .*: File too large"):
            write_one(tmp_path / "a.mp4", "libx264")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_what_is_drawn_on_the_image_of_a_frame_is_written(tmp_path):
    """OpenCV draws on the array that it is given; the decoder's pixels do not show that."""
    reader = VideoReader(write_clip(tmp_path / "a.mp4", sample_images(4)))
    with VideoWriter(tmp_path / "b.mp4", rate=reader.rate) as writer:
        for frame in reader:
            assert frame.coded is not None
            frame.image[8:24, 8:24] = (250, 0, 0)
            writer.write(frame.image, frame.time, frame)
    for frame in VideoReader(tmp_path / "b.mp4"):
        assert np.abs(frame.image[12:20, 12:20].astype(int) - (250, 0, 0)).max() < 12


def test_an_image_that_was_turned_over_in_place_is_written_so(tmp_path):
    images = sample_images(2)
    reader = VideoReader(write_clip(tmp_path / "a.mp4", images))
    with VideoWriter(tmp_path / "b.mp4", rate=reader.rate) as writer:
        for frame in reader:
            frame.image[:] = frame.image[::-1].copy()
            writer.write(frame.image, frame.time, frame)
    for frame, image in zip(VideoReader(tmp_path / "b.mp4"), images, strict=True):
        assert np.abs(frame.image.astype(int) - image[::-1]).mean() < 8


@pytest.mark.parametrize("name", ["a.avi", "a.webm", "a.mkv", "a"])
def test_a_name_of_another_container_is_refused(tmp_path, name):
    with pytest.raises(InputError, match=r"end in \.mp4"):
        VideoWriter(tmp_path / name, rate=25)


def test_the_video_that_is_read_is_not_written_over(tmp_path):
    source = write_clip(tmp_path / "a.mp4", sample_images(3))
    before = source.read_bytes()
    (tmp_path / "link.mp4").symlink_to(source)
    for name in ("a.mp4", "link.mp4"):
        with pytest.raises(VideoFileError, match="it is the video that is read"):
            copy(VideoReader(source), tmp_path / name)
    assert source.read_bytes() == before
    assert {p.name for p in tmp_path.iterdir()} == {"a.mp4", "link.mp4"}


@pytest.mark.parametrize(("rate", "encoder"), [(1, "auto"), (25, "auto"), (30, "auto"), (30, "mpeg4")])
def test_times_are_kept_whatever_the_rate(tmp_path, rate, encoder):
    """A camera of 60 images a second, of which one came late."""
    times = [0.0, 1 / 60, 2 / 60, 0.1, 7 / 60]
    with VideoWriter(tmp_path / "a.mp4", rate=rate, encoder=encoder) as writer:
        for image, time in zip(sample_images(5), times, strict=True):
            writer.write(image, time)
    assert [frame.time for frame in VideoReader(tmp_path / "a.mp4")] == pytest.approx(times, abs=1e-4)


def test_images_that_are_too_large_for_the_codec_are_one_line(tmp_path):
    writer = VideoWriter(tmp_path / "a.mp4", rate=25)
    with pytest.raises(VideoFileError, match="17000 × 16 pixels are too large"), writer:
        writer.write(np.zeros((16, 17_000, 3), np.uint8), 0.0)
    assert not list(tmp_path.iterdir())


def test_a_writer_can_be_used_again(tmp_path):
    writer = VideoWriter(tmp_path / "a.mp4", rate=25)
    for n in (3, 5):
        with writer:
            for k, image in enumerate(sample_images(n)):
                writer.write(image, k / 25)
        assert len(list(VideoReader(tmp_path / "a.mp4"))) == n
