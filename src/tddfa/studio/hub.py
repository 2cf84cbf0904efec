"""What cameras show to those who watch without one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Generator
from dataclasses import field

from tddfa.dataclass import dataclass


@dataclass(eq=False)
class Hub:
    """What cameras show to those who watch without one, such as the avatar in OBS.

    Attributes:
        portrait: the newest textured face, as GLB.
        newest: the camera that is shown: the last that began.
    """

    portrait: bytes | None = None
    newest: object | None = None
    _watchers: dict[asyncio.Queue[str], asyncio.AbstractEventLoop] = field(
        default_factory=dict[asyncio.Queue[str], asyncio.AbstractEventLoop]
    )

    def publish(self, camera: object, message: str) -> None:
        """Give a message of the newest camera to all who watch; called from the threads of cameras."""
        if camera is not self.newest:
            return
        for queue, loop in list(self._watchers.items()):
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(_put_newest, queue, message)

    def end(self, camera: object) -> None:
        """Forget a camera that has ended, and its portrait."""
        if camera is self.newest:
            self.newest = self.portrait = None

    @contextlib.contextmanager
    def watching(self) -> Generator[asyncio.Queue[str]]:
        """Yield a queue of one message, always the newest."""
        queue: asyncio.Queue[str] = asyncio.Queue(1)
        self._watchers[queue] = asyncio.get_running_loop()
        try:
            yield queue
        finally:
            del self._watchers[queue]


def _put_newest(queue: asyncio.Queue[str], message: str) -> None:
    with contextlib.suppress(asyncio.QueueEmpty):
        queue.get_nowait()
    queue.put_nowait(message)
