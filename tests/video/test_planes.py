"""Frames that were drawn on: what is the same is copied from the decoder, and the rest is converted."""

from __future__ import annotations

from types import SimpleNamespace

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clips import write_clip
from tddfa.errors import InputError
from tddfa.video import VideoReader, VideoWriter
from tddfa.video.encoders import encoders
from tddfa.video.planes import Colors, changed_rectangles, drawn_over, from_rgb


def noise(seed: int, height: int = 64, width: int = 96) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 255, (height // 8, width // 8, 3), np.uint8)
    return np.kron(small, np.ones((8, 8, 1), np.uint8))


@given(st.lists(st.tuples(st.integers(0, 62), st.integers(0, 94), st.integers(1, 20)), max_size=4))
def test_rectangles_hold_every_pixel_that_differs(boxes):
    original = noise(0)
    image = original.copy()
    for y, x, side in boxes:
        image[y : y + side, x : x + side] ^= 255
    covered = np.zeros(image.shape[:2], bool)
    for y0, y1, x0, x1 in changed_rectangles(image, original):
        assert [edge % 2 for edge in (y0, y1, x0, x1)] == [0, 0, 0, 0]
        covered[y0:y1, x0:x1] = True
    assert covered[(image != original).any(axis=2)].all()
    assert covered.any() == (image != original).any()


def decoded(tmp_path, codec: str = "libx264"):
    path = write_clip(tmp_path / "a.mp4", [noise(1)] * 2, codec=codec)
    return next(iter(VideoReader(path)))


def test_undrawn_frames_are_the_decoders_own(tmp_path):
    frame = decoded(tmp_path)
    out = drawn_over(frame.image, frame.image, frame.coded, Colors.of(frame.coded))
    for a, b in zip(out.planes, frame.coded.planes, strict=True):
        rows = [np.frombuffer(p, np.uint8).reshape(p.height, p.line_size)[:, : p.width] for p in (a, b)]
        np.testing.assert_array_equal(*rows)


def test_a_drawn_frame_is_as_if_all_of_it_were_converted(tmp_path):
    frame = decoded(tmp_path)
    image = frame.image.copy()
    image[10:31, 20:41] = (250, 40, 30)
    image[50:53, 70:90] = (20, 240, 30)
    colors = Colors.of(frame.coded)
    fast = drawn_over(image, frame.image, frame.coded, colors).to_ndarray(format="rgb24").astype(int)
    slow = from_rgb(image, 96, 64, colors).to_ndarray(format="rgb24").astype(int)
    assert np.abs(fast - image).mean() < np.abs(slow - image).mean(), "a conversion less"
    assert np.abs(fast[14:28, 24:38] - (250, 40, 30)).max() <= 4


@pytest.mark.parametrize("tags", [(1, 1, 1), (6, 6, 6), (2, 2, 2)])
def test_colours_survive_a_copy_whatever_their_matrix(tmp_path, tags):
    image = noise(3)
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "4"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace = tags
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace=1 if tags[2] == 1 else 5)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    reader = VideoReader(tmp_path / "a.mp4")
    (source,) = reader
    drawn = source.image.copy()
    drawn[8:20, 8:20] = (255, 0, 0)
    for original in (source, None):
        with VideoWriter(tmp_path / "b.mp4", rate=25, crf=4) as writer:
            writer.write(drawn, 0.0, original)
        (out,) = VideoReader(tmp_path / "b.mp4")
        assert np.abs(out.image.astype(int) - drawn).mean() < 4
        assert np.abs(out.image[11:17, 11:17].astype(int) - (255, 0, 0)).max() < 24


def test_frames_of_another_size_than_the_first_are_scaled(tmp_path):
    frame = decoded(tmp_path)
    with VideoWriter(tmp_path / "b.mp4", rate=25) as writer:
        writer.write(np.zeros((32, 48, 3), np.uint8), 0.0)
        writer.write(frame.image, 0.04, frame)
        writer.write(frame.image[:, ::2], 0.08, SimpleNamespace(image=frame.image, coded=frame.coded))
    assert {f.image.shape for f in VideoReader(tmp_path / "b.mp4")} == {(32, 48, 3)}


def test_presets_and_rate_factors_change_the_file(tmp_path):
    def size(**options) -> int:
        with VideoWriter(tmp_path / "a.mp4", rate=25, **options) as writer:
            for k in range(10):
                writer.write(np.roll(noise(5), k, axis=0), k / 25)
        return (tmp_path / "a.mp4").stat().st_size

    assert size(crf=0) > size(crf=22) > size(crf=45)
    assert size(preset="veryslow") != size(preset="ultrafast")
    assert size(encoder="mpeg4") > 0
    assert size(encoder="hardware", threads=1) > 0, "x264 where there is none"


def test_options_of_the_encoder_are_checked():
    for wrong in ({"preset": "quick"}, {"crf": 60}):
        with pytest.raises(InputError, match=r"choose from|goes from"):
            encoders(**wrong)
    with pytest.raises(InputError, match="no video encoder 'h265'; choose from auto, hardware, libx264"):
        encoders("h265")


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4), (0, 4, 3)])
def test_what_is_no_frame_is_refused(tmp_path, shape):
    from tddfa.video.writer import checked_frame

    with pytest.raises(InputError, match="a frame to write is RGB"):
        checked_frame(np.zeros(shape, np.uint8), 0.0)
    with pytest.raises(InputError, match="the time of a frame=nan; it takes a number"):
        checked_frame(np.zeros((4, 4, 3), np.uint8), float("nan"))
