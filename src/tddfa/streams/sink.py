"""Where tracked frames go: the protocol of every sink."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Protocol, runtime_checkable

from tddfa.errors import InputError
from tddfa.streams.frame import TrackedFrame
from tddfa.types.arguments import as_iterator, check_kind


@runtime_checkable
class Sink(Protocol):
    """Something that takes tracked frames: a file, a window, a socket.

    A sink is a context manager. Files appear under their names when the context is left without an error;
    sockets are open inside it.

    Attributes:
        needs_image: whether `write` reads `TrackedFrame.image`.
    """

    @property
    def needs_image(self) -> bool:
        """Whether `write` reads `TrackedFrame.image`."""
        ...

    def __enter__(self) -> Sink:
        """Open the sink."""
        ...

    def write(self, frame: TrackedFrame) -> None:
        """Take the next frame; frames come in order."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        """Finish; after an error, leave nothing half-written behind."""
        ...


@runtime_checkable
class FileSink(Protocol):
    """A sink that writes files."""

    def targets(self) -> Iterable[Path]:
        """Return the files that it writes; of those named after a track, the ones that are there already."""
        ...


def write_frames(frames: Iterable[TrackedFrame], *sinks: Sink) -> int:
    """Write every frame to every sink.

    Args:
        frames: from `follow`, for example.
        sinks: opened here, and closed at the end.

    Returns:
        The number of frames.

    Raises:
        InputError: `frames` or a sink is something else, or a sink is given twice.
    """
    for k, sink in enumerate(sinks):
        check_kind(f"sinks[{k}]", sink, Sink, "several are given one by one: write_frames(frames, *sinks)")
        if any(sink is other for other in sinks[:k]):
            raise InputError(f"sinks[{k}] is there twice; give each sink once")
    count, frames = 0, as_iterator("frames", frames, "follow yields tracked frames")
    with contextlib.ExitStack() as stack:
        for sink in sinks:
            stack.enter_context(sink)
        for frame in frames:
            for sink in sinks:
                sink.write(frame)
            count += 1
    return count
