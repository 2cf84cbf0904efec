"""Chunks on this machine: a process for each of several at a time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import field
from itertools import chain, islice
from typing import Any

from tddfa.batch.chunk import ChunkJob, ChunkReport
from tddfa.batch.supervisor import GuardedWorker
from tddfa.dataclass import dataclass

_POLL_S = 0.5


@dataclass(slots=True)
class LocalEngine:
    """Processes of this machine.

    Attributes:
        workers: chunks at a time.
    """

    workers: int = 1
    _guards: list[GuardedWorker] = field(default_factory=list[GuardedWorker])

    def run(
        self,
        job: ChunkJob,
        chunks: Iterator[int],
        *,
        timeout_s: float,
        resume: bool,
        alive: Callable[[int, int], None],
    ) -> Generator[ChunkReport | None]:
        """Yield a report of each chunk, as they are done, and None now and then while there is none.

        Args:
            job: does a chunk.
            chunks: their numbers; taken as workers become free.
            timeout_s: see `GuardedWorker`.
            resume: whether parts of an earlier run count.
            alive: called with a chunk and the number of its inputs that are done.
        """
        first = list(islice(chunks, self.workers))  # more workers than chunks would have nothing to do
        chunks = chain(first, chunks)
        results: queue.SimpleQueue[Any] = queue.SimpleQueue()
        lock = threading.Lock()

        def work(guard: GuardedWorker) -> None:
            try:
                while True:
                    with lock:
                        chunk = next(chunks, None)
                    if chunk is None:
                        break
                    results.put(guard.run(chunk, lambda done, chunk=chunk: alive(chunk, done)))
            except BaseException as error:
                results.put(error)
            results.put(None)

        self._guards = [GuardedWorker(job, timeout_s=timeout_s, resume=resume) for _ in first]
        threads = [threading.Thread(target=work, args=(guard,), daemon=True) for guard in self._guards]
        try:
            for thread in threads:
                thread.start()
            running = len(threads)
            while running:
                try:
                    result = results.get(timeout=_POLL_S)
                except queue.Empty:
                    yield None  # the caller may want to stop
                    continue
                if result is None:
                    running -= 1
                elif isinstance(result, BaseException):
                    raise result
                else:
                    yield result
        finally:
            for guard in self._guards:
                guard.close()
            for thread in threads:
                thread.join()

    @property
    def worker_pids(self) -> list[int]:
        """Numbers of the processes that run."""
        return [guard.pid for guard in self._guards if guard.pid is not None]
