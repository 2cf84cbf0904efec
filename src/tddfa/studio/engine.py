"""The networks, loaded once, and who uses them when."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TypeVar

import numpy as np

from tddfa.alignment import FaceAligner
from tddfa.streams.follow import SearchingTracker
from tddfa.studio.problems import RequestError
from tddfa.studio.settings import StudioSettings
from tddfa.tracking.face import TrackedFace
from tddfa.types import Image

T = TypeVar("T")


class Turns:
    """A semaphore whose waiters come to turn in the order in which they began to wait.

    A camera that is always ready would overtake others at `threading.Semaphore`.

    Args:
        n: number of turns at a time.
    """

    def __init__(self, n: int) -> None:
        self._lock = threading.Lock()
        self._free = n
        self._waiting: deque[threading.Event] = deque()

    @contextlib.contextmanager
    def take(self) -> Generator[None]:
        """Wait for a turn, and hold it."""
        with self._lock:
            mine = None if self._free else threading.Event()
            if mine is None:
                self._free -= 1
            else:
                self._waiting.append(mine)
        if mine is not None:
            mine.wait()
        try:
            yield
        finally:
            with self._lock:
                if self._waiting:
                    self._waiting.popleft().set()
                else:
                    self._free += 1


class SharedTracker:
    """A tracker that waits for its turn at each frame.

    Args:
        tracker: of one camera or video.
        turns: shared by all.

    Attributes:
        elapsed_ms: time that the last frame took, without the wait for its turn.
    """

    def __init__(self, tracker: SearchingTracker, turns: Turns) -> None:
        self._tracker, self._turns = tracker, turns
        self.elapsed_ms = 0.0

    def update(self, image: Image, /, *, defer_search: bool = False) -> list[TrackedFace]:
        """Return the faces of the next frame."""
        with self._turns.take():
            start = time.perf_counter()
            faces = self._tracker.update(image, defer_search=defer_search)
            self.elapsed_ms = 1000 * (time.perf_counter() - start)
        return faces

    def search(self) -> None:
        """Do the search that was deferred."""
        with self._turns.take():
            self._tracker.search()


class Engine:
    """Networks and threads of a studio.

    Args:
        settings: the pack, the number of turns and of waiting requests.
    """

    def __init__(self, settings: StudioSettings) -> None:
        self._settings = settings
        self.turns = Turns(settings.workers)
        self._pool = ThreadPoolExecutor(settings.workers, thread_name_prefix="tddfa-studio")
        self._n_waiting = 0

    @cached_property
    def aligner(self) -> FaceAligner:
        """The aligner, warm."""
        aligner = FaceAligner(self._settings.pack, device=self._settings.device)
        aligner.align(np.zeros((64, 64, 3), np.uint8))
        return aligner

    async def run(self, work: Callable[[], T]) -> T:
        """Return what a function returns that computes, in a thread and in turn.

        Raises:
            RequestError: too many requests are waiting.
        """
        if self._n_waiting >= self._settings.limits.waiting:
            raise RequestError(503, "too many requests are waiting; try again soon", {"retry-after": "2"})
        self._n_waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._in_turn, work)
        finally:
            self._n_waiting -= 1

    def _in_turn(self, work: Callable[[], T]) -> T:
        with self.turns.take():
            return work()

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
