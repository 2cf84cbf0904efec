"""The sound of one video, for another. Whatever is wrong with it, the video is written without it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from tddfa.errors import VideoFileError
from tddfa.video.timeline import PacketClock

if TYPE_CHECKING:
    from av.container import OutputContainer

    from tddfa.video.reader import VideoReader

_log = logging.getLogger(__name__)

# What players expect in an MP4 file; anything else is coded anew.
_COPIED = frozenset({"aac", "mp3", "ac3", "eac3", "alac"})
# Sampling rates that AAC knows, Hz. Source: ISO/IEC 14496-3, table 1.18.
_AAC_RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000)
_GAP_S = 0.05  # silence that is filled in; shorter ones are rounding
_LEAP_S = 24 * 3600.0
_CHUNK = 1024  # samples of silence at a time
_PROBED = 50  # packets: a second of sound
_DEFAULT = 0x1  # FFmpeg's disposition


class Sound:
    """A sound track of a video, moved in time and added to an open output, piece by piece.

    Args:
        reader: the video that is being read; where its clock restarts, so does the sound.
        output: where to; its header is not written yet.
        start: the source's own time, s, that becomes 0.

    Raises:
        VideoFileError: the sound cannot be read, or cannot be written to an MP4 file.
    """

    def __init__(self, reader: VideoReader, output: OutputContainer, start: float) -> None:
        from av.error import FFmpegError

        if not reader.repeatable:
            raise VideoFileError(f"{reader.source.name} can be read only once")
        self.name = reader.source.name
        self._reader = reader
        self._output = output
        self._input = reader.source.open()
        self._next: tuple[float, Any] | None = None
        try:
            stream = _sound_track(self._input)
            self._clock = PacketClock(
                _packet_ticks(stream), round(_LEAP_S / stream.time_base), self._restart(stream.time_base)
            )
            self._copied = _can_be_copied(stream)
            if self._copied and not _decodes(reader, stream.index):
                raise VideoFileError("it cannot be decoded")
            if self._copied:
                self._stream: Any = output.add_stream_from_template(stream)
                self._pieces = self._packets(stream, start)
            else:
                self._stream = output.add_stream("aac", rate=_aac_rate(stream.rate))
                self._stream.codec_context.layout = "mono" if stream.codec_context.channels == 1 else "stereo"
                self._pieces = self._coded(stream, start)
            # The first piece now: a codec that cannot be decoded is noticed before the header is written.
            self._next = next(self._pieces, None)
            if self._next is None:
                raise VideoFileError("nothing of it can be decoded")
        except (FFmpegError, ValueError, TypeError, AttributeError, OSError) as error:
            self._input.close()
            raise VideoFileError(str(error).splitlines()[0] if str(error) else type(error).__name__) from None

    def add_until(self, time: float) -> None:
        """Add what begins before `time`, s."""
        from av.error import FFmpegError

        try:
            while self._next is not None and self._next[0] < time:
                self._output.mux(self._next[1])
                self._next = next(self._pieces, None)
        except (FFmpegError, ValueError, OSError) as error:
            _log.warning("%s: its sound falls silent at %.1f s: %s", self.name, max(time, 0), error)
            self._next = None

    def finish(self) -> None:
        """Add what the encoder still holds."""
        from av.error import FFmpegError

        if self._copied:
            return
        try:
            self._output.mux(self._stream.encode(None))
        except (FFmpegError, ValueError) as error:
            _log.info("%s: the end of its sound is missing: %s", self.name, error)

    def close(self) -> None:
        """Close the source."""
        self._input.close()

    def _restart(self, base: Any) -> Any:
        def shift(n: int) -> int | None:
            ticks = self._reader.restart(n)
            return None if ticks is None else round(ticks * self._reader.restart_base / base)

        return shift

    def _moved(self, packets: Iterator[Any]) -> Iterator[Any]:
        """Give packets on a continued clock, up to the first that cannot be read."""
        from av.error import FFmpegError

        while True:
            try:
                packet = next(packets)
            except (StopIteration, FFmpegError):
                return
            if packet.size:
                packet.pts, packet.dts = self._clock.moved(packet.pts, packet.dts, packet.duration)
            yield packet

    def _packets(self, stream: Any, start: float) -> Iterator[tuple[float, Any]]:
        shift = round(start / stream.time_base)
        last: int | None = None
        for packet in self._moved(self._input.demux(stream)):
            pts = packet.pts if packet.pts is not None else packet.dts
            if pts is None or not packet.size:
                continue
            begin = pts - shift
            if begin + (packet.duration or 0) <= 0:
                continue
            if last is not None and begin <= last:
                begin = last + 1  # a file whose times stand still would be refused
            last = begin
            packet.pts = packet.dts = begin
            packet.stream = self._stream
            yield float(begin * stream.time_base), packet

    def _coded(self, stream: Any, start: float) -> Iterator[tuple[float, Any]]:
        """Give encoded pieces without gaps: silence is filled in."""
        rate, n = int(self._stream.codec_context.sample_rate), 0
        for begin, samples in self._samples(stream, start):
            missing = round(begin * rate) - n
            if missing < -_GAP_S * rate:
                continue  # it overlaps what was said
            if missing <= _GAP_S * rate:
                missing = 0
            while missing > 0:
                silence = np.zeros((samples.shape[0], min(_CHUNK, missing)), np.float32)
                yield n / rate, self._encoded(silence, n)
                n += silence.shape[1]
                missing -= silence.shape[1]
            yield n / rate, self._encoded(samples, n)
            n += samples.shape[1]

    def _encoded(self, samples: np.ndarray, at: int) -> Any:
        import av

        context = self._stream.codec_context
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples), format="fltp", layout=context.layout.name
        )
        frame.sample_rate, frame.pts = context.sample_rate, at
        return self._stream.encode(frame)

    def _samples(self, stream: Any, start: float) -> Iterator[tuple[float, np.ndarray]]:
        """Give decoded samples in the encoder's rate and layout, with their time, s from `start`."""
        import av

        context, resampler, kind, expected = self._stream.codec_context, None, None, 0.0
        for frame in self._frames(stream):
            begin = expected if frame.pts is None else float(frame.pts * frame.time_base) - start
            expected = begin + frame.samples / max(frame.sample_rate, 1)
            if expected <= 0:
                continue
            now = (frame.format.name, frame.layout.name, frame.sample_rate)
            if resampler is None or now != kind:
                kind = now
                resampler = av.AudioResampler(
                    format="fltp", layout=context.layout.name, rate=context.sample_rate
                )
            frame.pts = None
            for ready in resampler.resample(frame):
                samples = ready.to_ndarray()
                early = round(-begin * context.sample_rate) if begin < 0 else 0
                if samples.shape[1] > early:
                    yield max(begin, 0.0), samples[:, early:]
                begin += samples.shape[1] / context.sample_rate

    def _frames(self, stream: Any) -> Iterator[Any]:
        from av.error import FFmpegError

        n_bad = 0
        for packet in self._moved(self._input.demux(stream)):
            try:
                yield from packet.decode()
            except (FFmpegError, ValueError):
                n_bad += 1
                if n_bad > 100:  # what is damaged now and then is filled with silence; this is no sound
                    return


def add_sound(reader: VideoReader, output: OutputContainer, start: float) -> Sound | None:
    """Return the sound of a video for an output; None, and a warning, when it cannot be used."""
    try:
        return Sound(reader, output, start)
    except VideoFileError as error:
        _log.warning("%s: its sound is left out: %s", reader.source.name, error)
        return None


def _sound_track(container: Any) -> Any:
    """Return the sound track that a player would play: the default one, or the first that can be decoded."""
    usable = [s for s in container.streams.audio if getattr(s, "codec_context", None) is not None]
    if not usable:
        raise VideoFileError("no decoder for it")
    return max(usable, key=lambda s: (bool(int(getattr(s, "disposition", 0) or 0) & _DEFAULT), -s.index))


def _can_be_copied(stream: Any) -> bool:
    context = stream.codec_context
    if context.codec.canonical_name not in _COPIED or not context.sample_rate or not context.channels:
        return False
    # AAC of broadcasts carries its configuration in every packet; MP4 wants it once.
    return context.codec.canonical_name != "aac" or bool(context.extradata)


def _decodes(reader: VideoReader, index: int) -> bool:
    """Return whether some of the first packets of a track can be decoded; no player plays it otherwise."""
    from av.error import FFmpegError

    with reader.source.open() as container:
        for packet in islice(container.demux(container.streams[index]), _PROBED):
            try:
                if packet.decode():
                    return True
            except (FFmpegError, ValueError):
                continue
    return False


def _packet_ticks(stream: Any) -> int:
    seconds = (stream.codec_context.frame_size or _CHUNK) / (stream.codec_context.sample_rate or 48_000)
    return max(round(seconds / stream.time_base), 1)


def _aac_rate(rate: int | None) -> int:
    if not rate or rate > _AAC_RATES[0]:
        return 48_000
    return min((r for r in _AAC_RATES if r >= rate), default=48_000)
