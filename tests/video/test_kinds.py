"""Kinds of videos that people have, made here: orientation, clocks, tracks, colours, headers."""

from __future__ import annotations

import struct
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest

import image_bytes
from clips import sample_images, write_clip, write_sound
from tddfa.errors import InputError, VideoFileError
from tddfa.video import VideoReader
from tddfa.video.source import VideoSource


def times(reader: VideoReader) -> list[float]:
    return [frame.time for frame in reader]


def set_matrix(path, a: int, b: int, c: int, d: int) -> None:
    """Write the display matrix of an MP4 file's track header."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    struct.pack_into(">9i", data, at, a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_eight_display_matrices_are_applied(tmp_path, orientation):
    image = image_bytes.corners(48, 64)
    stored = np.ascontiguousarray(image_bytes.STORED[orientation](image))
    # x' = a·x + c·y, y' = b·x + d·y for the pixel (x, y) that is stored.
    abcd = {
        1: (1, 0, 0, 1), 2: (-1, 0, 0, 1), 3: (-1, 0, 0, -1), 4: (1, 0, 0, -1),
        5: (0, 1, 1, 0), 6: (0, 1, -1, 0), 7: (0, -1, -1, 0), 8: (0, -1, 1, 0),
    }[orientation]  # fmt: skip
    path = write_clip(tmp_path / "a.mp4", [stored] * 2)
    set_matrix(path, *abcd)
    frame = next(iter(VideoReader(path)))
    assert frame.image.shape == image.shape
    assert np.abs(frame.image.astype(int) - image).mean() < 6


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_avi_with_frames_out_of_order_shows_each_for_its_time(tmp_path, codec):
    options = {"crf": "20", "bf": "2"} if codec == "libx264" else {"bf": "2"}
    rng = np.random.default_rng(0)
    moving = [np.roll(rng.integers(0, 255, (48, 64, 3), np.uint8), k, axis=1) for k in range(24)]
    reader = VideoReader(write_clip(tmp_path / "a.avi", moving, codec=codec, options=options))
    assert times(reader) == pytest.approx([k / 25 for k in range(24)], abs=0.002)
    assert reader.damage is None


def test_joined_transport_streams_are_one_time_line(tmp_path):
    part = write_clip(tmp_path / "a.ts", sample_images(20)).read_bytes()
    (tmp_path / "both.ts").write_bytes(part * 3)
    found = times(VideoReader(tmp_path / "both.ts"))
    assert len(found) == 60
    assert found == pytest.approx([k / 25 for k in range(60)], abs=0.002)


def test_raw_h264_without_any_times_has_the_usual_ones(tmp_path):
    found = times(VideoReader(write_clip(tmp_path / "a.h264", sample_images(12))))
    assert len(found) == 12
    assert all(b > a for a, b in pairwise(found))


def test_an_edit_list_hides_frames_and_is_no_damage(tmp_path):
    path = write_clip(tmp_path / "a.mp4", sample_images(20), options={"crf": "20", "bf": "0"})
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 12
    (duration,) = struct.unpack_from(">I", data, at)
    struct.pack_into(">I", data, at, duration // 2)
    path.write_bytes(data)
    reader = VideoReader(path)
    n = len(times(reader))
    assert 9 <= n <= 12
    assert reader.damage is None


def with_cover(path, video: bool) -> None:
    with av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width = cover.height = 64
        cover.pix_fmt = "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        stream = container.add_stream("libx264" if video else "aac", rate=25 if video else 44_100)
        if video:
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        else:
            stream.layout = "mono"
        container.start_encoding()
        picture = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 200, np.uint8), format="rgb24")
        container.mux(cover.encode(picture.reformat(format="yuvj420p")))
        container.mux(cover.encode(None))
        for k in range(10):
            if video:
                frame = av.VideoFrame.from_ndarray(sample_images(10)[k], format="rgb24")
                frame.pts = k
            else:
                samples = np.zeros((1, 1024), np.float32)
                frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
                frame.sample_rate, frame.pts = 44_100, 1024 * k
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_a_cover_is_not_the_video(tmp_path):
    with_cover(tmp_path / "a.mp4", video=True)
    frames = list(VideoReader(tmp_path / "a.mp4"))
    assert len(frames) == 10
    assert frames[0].image.shape == (48, 64, 3)
    with_cover(tmp_path / "song.mp4", video=False)
    with pytest.raises(VideoFileError, match="has no video track, only sound and a cover image"):
        VideoReader(tmp_path / "song.mp4")


def test_titles_in_any_encoding_are_no_reason_to_refuse_a_video(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "CafXX"
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(sample_images(1)[0], format="rgb24")))
        container.mux(stream.encode(None))
    path.write_bytes(path.read_bytes().replace(b"CafXX", b"Caf\xe9\xff"))
    assert len(list(VideoReader(path))) == 1


@pytest.mark.parametrize(
    "name", ["caf\udce9.mp4", "12:30.mp4", "a%03d.mp4", "concat:b.mp4", "-x.mp4", "é ü.mp4"]
)
def test_any_file_name_will_do(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    path = write_clip(tmp_path / "a.mp4", sample_images(2))
    path.rename(tmp_path / name)
    assert len(list(VideoReader(name))) == 2


def ten_bit(path, luma: float, *, transfer: int, codec: str = "ffv1") -> None:
    """Grey frames of 10 bits in BT.2020."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p10le"
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace, context.color_range = (
            9,
            transfer,
            9,
            1,
        )
        for k in range(3):
            frame = av.VideoFrame(64, 48, "yuv420p10le")
            for plane, value in zip(frame.planes, (round(64 + 876 * luma), 512, 512), strict=True):
                plane.update(np.full(plane.buffer_size // 2, value, np.uint16).tobytes())
            frame.color_range, frame.pts = 1, k
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(("transfer", "grey"), [(16, 0.4109), (18, 0.436)])
def test_high_dynamic_range_is_tone_mapped(tmp_path, transfer, grey):
    """Grey of 18 % of reference white, coded as PQ (36.5 cd/m²) and as HLG, is the grey of other videos."""
    ten_bit(tmp_path / "a.mkv", grey, transfer=transfer)
    image = next(iter(VideoReader(tmp_path / "a.mkv"))).image
    assert np.ptp(image) <= 2
    assert abs(int(image[0, 0, 0]) - 255 * 0.18 ** (1 / 2.4)) < 6


def test_ten_bits_of_standard_range_are_read_as_they_are(tmp_path):
    ten_bit(tmp_path / "a.mkv", 0.5, transfer=14)
    assert abs(int(next(iter(VideoReader(tmp_path / "a.mkv"))).image[0, 0, 0]) - 128) <= 2


def test_full_range_is_not_stretched(tmp_path):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.color_range = 2
        frame = av.VideoFrame(64, 48, "yuv420p")
        for plane, value in zip(frame.planes, (200, 128, 128), strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        frame.color_range = 2
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    frame = next(iter(VideoReader(tmp_path / "a.mkv")))
    assert abs(int(frame.image[0, 0, 0]) - 200) <= 1


def test_interlaced_frames_are_made_whole(tmp_path):
    """A bar that moves: in the stored frames every other row is of an earlier moment."""

    def bar(x: int) -> np.ndarray:
        image = np.full((96, 128, 3), 60, np.uint8)
        image[:, x : x + 24] = 220
        return image

    woven = []
    for k in range(8):
        image = bar(8 * k)
        image[1::2] = bar(8 * k + 4)[1::2]
        woven.append(image)
    options = {"crf": "5", "x264-params": "tff=1:interlaced=1"}
    path = write_clip(tmp_path / "a.mkv", woven, options=options)
    frames = list(VideoReader(path))
    assert [f.time for f in frames] == pytest.approx([k / 25 for k in range(8)], abs=0.002)

    def torn(image: np.ndarray) -> float:
        rows = image[8:-8, :, 0].astype(int)
        return float(np.abs(rows[1:] - rows[:-1]).mean())

    assert torn(frames[4].image) < 0.4 * torn(woven[4])


def write_tracks(path, tracks):
    """Tracks of (height, width, number of frames)."""
    with av.open(str(path), "w") as container:
        streams = []
        for height, width, length in tracks:
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            streams.append((stream, sample_images(1, height, width)[0], length))
        for k in range(max(length for _, _, length in tracks)):
            for stream, image, length in streams:
                if k < length:
                    frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                    frame.pts = k
                    container.mux(stream.encode(frame))
        for stream, _, _ in streams:
            container.mux(stream.encode(None))


def test_the_largest_of_several_tracks_is_read(tmp_path):
    write_tracks(tmp_path / "a.ts", [(48, 64, 5), (96, 128, 5)])
    assert next(iter(VideoReader(tmp_path / "a.ts"))).image.shape == (96, 128, 3)


@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])
def test_a_larger_track_of_a_single_frame_is_a_cover(tmp_path, name):
    """Not all programs mark their covers as such."""
    write_tracks(tmp_path / name, [(96, 128, 1), (48, 64, 5)])
    frames = list(VideoReader(tmp_path / name))
    assert [frame.image.shape for frame in frames] == [(48, 64, 3)] * 5


def test_gif_and_other_containers_are_read(tmp_path):
    for name, codec in (
        ("a.gif", "gif"),
        ("a.mxf", "mpeg2video"),
        ("a.3g2", "libx264"),
        ("a.m2ts", "libx264"),
    ):
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=25)
            stream.width, stream.height = 64, 48
            stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
            for k, image in enumerate(sample_images(6)):
                frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=stream.pix_fmt)
                frame.pts = k
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        assert len(list(VideoReader(path))) == 6, name


def test_a_codec_without_a_decoder_is_one_line(tmp_path):
    path = write_clip(tmp_path / "a.mp4", sample_images(3))
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzz1"))
    with pytest.raises(VideoFileError, match=r"does not decode|not one frame") as caught:
        list(VideoReader(path))
    assert "\n" not in str(caught.value)


def test_frames_over_the_limit_are_refused_by_the_header(tmp_path, monkeypatch):
    path = write_clip(tmp_path / "a.mp4", sample_images(2))
    with pytest.raises(VideoFileError, match="frames of 64 × 48 pixels, more than the limit of 3000"):
        VideoReader(path, max_pixels=3000)
    monkeypatch.setenv("TDDFA_MAX_PIXELS", "3000")
    with pytest.raises(VideoFileError, match="TDDFA_MAX_PIXELS"):
        VideoReader(path)


def test_a_recording_that_begins_in_the_middle_is_not_damaged(tmp_path):
    data = write_clip(
        tmp_path / "a.ts", sample_images(40), options={"crf": "10", "g": "10", "bf": "0"}
    ).read_bytes()
    cut = len(data) // 3 // 188 * 188
    (tmp_path / "b.ts").write_bytes(data[cut:])
    reader = VideoReader(tmp_path / "b.ts")
    n = len(list(reader))
    assert 10 <= n < 40
    assert reader.damage is None


def test_the_decoders_own_frame_comes_along_only_where_it_shows_the_image(tmp_path):
    plain = write_clip(tmp_path / "a.mp4", sample_images(1))
    assert next(iter(VideoReader(plain))).coded is not None
    turned = write_clip(tmp_path / "b.mp4", sample_images(1), rotation=90)
    wide = write_clip(tmp_path / "c.mp4", sample_images(1), aspect=Fraction(3, 2))
    for path in (turned, wide):
        assert next(iter(VideoReader(path))).coded is None


def test_what_is_no_place_is_refused():
    with pytest.raises(InputError, match="a path, a URL, '-' or a file object, not by int"):
        VideoSource(7)
    with pytest.raises(InputError, match="timeout_s=0"):
        VideoReader("a.mp4", timeout_s=0)


def test_sound_alone_is_no_video(tmp_path):
    with pytest.raises(VideoFileError, match="only sound"):
        VideoReader(write_sound(tmp_path / "a.m4a"))


def test_a_header_that_ends_too_soon_is_a_video_that_is_cut_off(tmp_path):
    path = write_clip(tmp_path / "whole.mkv", sample_images(6))
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(VideoFileError, match=r"whole\.mkv is no video, or is cut off or damaged$"):
        list(VideoReader(path))
