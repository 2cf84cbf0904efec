"""Work on several items at a time, results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_order(function: Callable[[T], R], items: Iterable[T], workers: int) -> Generator[R]:
    """Yield `function` of each item, in the order of the items, computed by `workers` threads.

    Items are taken as they are needed, at most two per worker ahead of the caller, so memory does not grow
    with their number. An error of the function is raised in its item's place and ends the rest.

    Args:
        function: called from several threads at once when there is more than one worker.
        items: may be endless; taken in the caller's thread.
        workers: number of threads, 1 or more; 1 computes in the caller's thread.
    """
    if workers == 1:
        yield from map(function, items)
        return
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="tddfa") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) == 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
