"""The sound of one video, for another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av.container import OutputContainer

# What players expect in an MP4 file; anything else is coded anew.
_COPIED = frozenset({"aac", "mp3", "ac3", "eac3", "alac"})


class Sound:
    """The first sound track of a file, moved in time and added to an open output, piece by piece.

    Args:
        source: a video file with sound.
        output: where to; its header is not written yet.
        start: the source's own time, s, that becomes 0.
    """

    def __init__(self, source: Path, output: OutputContainer, start: float) -> None:
        import av

        self._input = av.open(str(source))
        self._output = output
        stream = self._input.streams.audio[0]
        self._copied = stream.codec_context.codec.canonical_name in _COPIED
        if self._copied:
            self._stream: Any = output.add_stream_from_template(stream)
            self._pieces = self._packets(stream, start)
        else:
            self._stream = output.add_stream("aac", rate=stream.rate or 48_000)
            self._pieces = self._coded(stream, start)
        self._next: tuple[float, Any] | None = next(self._pieces, None)

    def add_until(self, time: float) -> None:
        """Add what begins before `time`, s."""
        while self._next is not None and self._next[0] < time:
            self._output.mux(self._next[1])
            self._next = next(self._pieces, None)

    def finish(self) -> None:
        """Add what the encoder still holds."""
        if not self._copied:
            self._output.mux(self._stream.encode(None))

    def close(self) -> None:
        """Close the source."""
        self._input.close()

    def _packets(self, stream: Any, start: float) -> Iterator[tuple[float, Any]]:
        for packet in _readable(self._input.demux(stream)):
            if packet.pts is None or packet.dts is None:
                continue
            begin = float(packet.pts * packet.time_base) - start
            if begin + float((packet.duration or 0) * packet.time_base) <= 0:
                continue
            shift = round(start / packet.time_base)
            packet.pts -= shift
            packet.dts -= shift
            packet.stream = self._stream
            yield begin, packet

    def _coded(self, stream: Any, start: float) -> Iterator[tuple[float, Any]]:
        for frame in _readable(self._input.decode(stream)):
            if frame.pts is None:
                continue
            begin = float(frame.pts * frame.time_base) - start
            if begin < 0:
                continue
            frame.pts -= round(start / frame.time_base)
            yield begin, self._stream.encode(frame)


def _readable(items: Iterator[Any]) -> Iterator[Any]:
    """The items up to the first that is damaged: a video that falls silent is better than none."""
    from av.error import FFmpegError

    while True:
        try:
            item = next(items)
        except (StopIteration, FFmpegError):
            return
        yield item
