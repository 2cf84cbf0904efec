"""Interlaced frames to whole ones: two half images, taken one after the other, are torn where faces move."""

from __future__ import annotations

from collections import deque
from typing import Any

# One frame out per frame in; frames that are not marked as interlaced stay as they are.
_FILTER = ("bwdif", "mode=send_frame:parity=auto:deint=interlaced")


class Deinterlacer:
    """Deinterlace the frames of a stream from the first interlaced one on.

    The filter sees one frame ahead, so it gives back each frame when the next one comes; `flush` gives the
    last. What belongs to a frame (its time) travels beside it.
    """

    def __init__(self) -> None:
        self._graph: Any = None
        self._kind: tuple[int, int, str] | None = None
        self._beside: deque[Any] = deque()

    def push(self, frame: Any, beside: Any) -> list[tuple[Any, Any]]:
        """Return the frames that are ready, each with what was given beside it."""
        kind = frame.width, frame.height, frame.format.name
        if self._graph is None and not frame.interlaced_frame:
            return [(frame, beside)]
        ready: list[tuple[Any, Any]] = []
        if self._kind != kind:
            ready = self.flush()
            if not frame.interlaced_frame or not self._build(frame):
                return [*ready, (frame, beside)]
            self._kind = kind
        self._beside.append(beside)
        graph: Any = self._graph
        graph.push(frame)
        return [*ready, *self._pulled()]

    def flush(self) -> list[tuple[Any, Any]]:
        """Return the frame that the filter still holds, and end the filter."""
        if self._graph is None:
            return []
        graph: Any = self._graph
        graph.push(None)
        ready = self._pulled()
        self._graph, self._kind = None, None
        self._beside.clear()
        return ready

    def _build(self, frame: Any) -> bool:
        from av.error import FFmpegError
        from av.filter import Graph

        try:
            graph = Graph()
            source = graph.add_buffer(
                width=frame.width,
                height=frame.height,
                format=frame.format.name,
                time_base=frame.time_base,
            )
            bwdif = graph.add(*_FILTER)
            sink = graph.add("buffersink")
            source.link_to(bwdif)
            bwdif.link_to(sink)
            graph.configure()
        except (FFmpegError, ValueError, TypeError):  # this build of FFmpeg, or this pixel format, has none
            return False
        self._graph = graph
        return True

    def _pulled(self) -> list[tuple[Any, Any]]:
        from av.error import FFmpegError

        ready: list[tuple[Any, Any]] = []
        while self._beside:
            try:
                ready.append((self._graph.pull(), self._beside.popleft()))
            except (BlockingIOError, EOFError, FFmpegError):
                break
        return ready
