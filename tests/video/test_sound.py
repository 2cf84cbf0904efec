"""Sound of every kind comes along; sound that cannot be used costs itself, never the video."""

from __future__ import annotations

import logging

import av
import numpy as np
import pytest

from clips import sample_images, write_clip
from tddfa.video import VideoReader, VideoWriter


def copied(source, path) -> VideoReader:
    reader = VideoReader(source)
    with VideoWriter(path, rate=reader.rate, time_base=reader.time_base, sound_of=reader) as writer:
        for frame in reader:
            writer.write(frame.image, frame.time)
    assert len(list(VideoReader(path))) == 20, "the video is whole"
    return reader


def tracks(path) -> list[tuple[str, float, float]]:
    """Codec, begin and end (s) of each sound track."""
    out = []
    with av.open(str(path)) as container:
        for k, stream in enumerate(container.streams.audio):
            frames = list(container.decode(audio=k))
            last = frames[-1]
            out.append(
                (stream.codec_context.name, frames[0].time, last.time + last.samples / last.sample_rate)
            )
    return out


def with_sound(
    path, codec: str, rate: int, layout: str, format: str, begin: float = 0.0, seconds: float = 0.8
):
    """A clip of 0.8 s with sound of a kind."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"crf": "20", "bf": "0"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream(codec, rate=rate)
        audio.layout = layout
        audio.codec_context.format = format
        for k, image in enumerate(sample_images(20)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = k
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        n = len(av.AudioLayout(layout).channels)
        resampler = av.AudioResampler(format=format, layout=layout, rate=rate)
        for start in range(0, int(seconds * rate), 1024):
            wave = np.sin(np.arange(start, start + 1024) * (2 * np.pi * 440 / rate)).astype(np.float32) / 4
            frame = av.AudioFrame.from_ndarray(np.tile(wave, (n, 1)), format="fltp", layout=layout)
            frame.sample_rate, frame.pts = rate, start + round(begin * rate)
            for ready in resampler.resample(frame):
                container.mux(audio.encode(ready))
        container.mux(audio.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "codec", "rate", "layout", "format"),
    [
        ("a.mkv", "flac", 192_000, "stereo", "s32"),
        ("a.mkv", "pcm_u8", 8_000, "mono", "u8"),
        ("a.mkv", "pcm_f64le", 44_100, "stereo", "dbl"),
        ("a.mov", "pcm_s24le", 48_000, "5.1", "s32"),
        ("a.mkv", "libopus", 48_000, "stereo", "flt"),
        ("a.avi", "pcm_s16le", 11_025, "mono", "s16"),
        ("a.mkv", "ac3", 48_000, "5.1", "fltp"),
        ("a.ts", "aac", 48_000, "stereo", "fltp"),
    ],
)
def test_every_kind_of_sound_comes_along(tmp_path, name, codec, rate, layout, format, caplog):
    copied(with_sound(tmp_path / name, codec, rate, layout, format), tmp_path / "b.mp4")
    ((kind, begin, end),) = tracks(tmp_path / "b.mp4")
    assert kind == ("ac3" if codec == "ac3" else "aac")
    assert begin == pytest.approx(0, abs=0.05)
    assert end == pytest.approx(0.8, abs=0.05 + 1024 / rate)
    assert not caplog.records


def test_sound_that_begins_later_begins_later(tmp_path):
    source = with_sound(tmp_path / "a.mkv", "pcm_s16le", 48_000, "mono", "s16", begin=0.4, seconds=0.4)
    copied(source, tmp_path / "b.mp4")
    with av.open(str(tmp_path / "b.mp4")) as container:
        frames = list(container.decode(audio=0))
    wave = np.concatenate([f.to_ndarray()[0] for f in frames])
    loud = np.flatnonzero(np.abs(wave) > 0.1)[0] / 48_000 + frames[0].time
    assert loud == pytest.approx(0.4, abs=0.03)


def test_sound_without_a_decoder_is_left_out_with_a_line(tmp_path, caplog):
    source = write_clip(tmp_path / "a.mkv", sample_images(20), sound="aac")
    source.write_bytes(source.read_bytes().replace(b"A_AAC", b"A_XYZ"))
    with caplog.at_level(logging.WARNING):
        copied(source, tmp_path / "b.mp4")
    assert tracks(tmp_path / "b.mp4") == []
    assert len(caplog.records) == 1
    assert "its sound is left out" in caplog.text


def test_sound_that_is_broken_costs_no_frame(tmp_path):
    source = write_clip(tmp_path / "a.mkv", sample_images(20), sound="aac")
    with av.open(str(source)) as container:
        packets = [bytes(p) for p in container.demux(audio=0) if p.size > 20]
    data = source.read_bytes()
    for packet in packets[5:]:
        data = data.replace(packet, b"\xa5" * len(packet))
    source.write_bytes(data)
    copied(source, tmp_path / "b.mp4")


def test_sound_that_no_player_could_play_is_not_copied(tmp_path, caplog):
    source = write_clip(tmp_path / "a.mkv", sample_images(20), sound="aac")
    with av.open(str(source)) as container:
        packets = [bytes(p) for p in container.demux(audio=0) if p.size]
    data = source.read_bytes()
    for packet in packets:
        data = data.replace(packet, b"\xff" * len(packet))
    source.write_bytes(data)
    with caplog.at_level(logging.WARNING):
        copied(source, tmp_path / "b.mp4")
    assert tracks(tmp_path / "b.mp4") == []
    assert "its sound is left out: it cannot be decoded" in caplog.text


def test_joined_streams_keep_sound_and_video_in_step(tmp_path):
    part = write_clip(tmp_path / "a.ts", sample_images(10), sound="aac", options={"crf": "20", "bf": "0"})
    joined = tmp_path / "both.ts"
    joined.write_bytes(part.read_bytes() * 2)
    reader = copied(joined, tmp_path / "b.mp4")
    assert reader.has_sound
    ((_, begin, end),) = tracks(tmp_path / "b.mp4")
    assert begin == pytest.approx(0, abs=0.05)
    assert end == pytest.approx(0.8, abs=0.1)


def test_what_can_be_read_once_is_written_without_its_sound(tmp_path, caplog):
    data = write_clip(tmp_path / "a.ts", sample_images(20), sound="aac").read_bytes()

    class Pipe:
        name = "upload"

        def __init__(self) -> None:
            import io

            self.read = io.BytesIO(data).read

    with caplog.at_level(logging.WARNING):
        copied(Pipe(), tmp_path / "b.mp4")
    assert "upload: its sound is left out: upload can be read only once" in caplog.text
