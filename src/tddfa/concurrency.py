"""Work on several items at a time, results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, TypeVar

from tddfa.errors import TddfaError

T = TypeVar("T")
R = TypeVar("R")


class WorkerDiedError(TddfaError, RuntimeError):
    """A process that was to do some of the work has ended."""


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
    with ThreadPoolExecutor(workers, thread_name_prefix="tddfa") as pool:
        yield from _in_order(pool, function, items, 2 * workers)


def in_processes(
    function: Callable[[T], R],
    items: Iterable[T],
    workers: int,
    begin: Callable[..., object],
    *arguments: Any,
) -> Generator[R]:
    """Yield `function` of each item like `in_order`, computed by `workers` processes.

    Threads share one interpreter: what is computed in Python, and not in a library, is computed by one at a
    time.

    Args:
        function: of a module, as are its items and results whatever can be pickled.
        items: may be endless; taken in the caller's process.
        workers: number of processes.
        begin: called at the beginning of each process.
        *arguments: of `begin`.

    Raises:
        WorkerDiedError: a process was ended, by the system or by a library that crashed.
    """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    # New interpreters: a copy of this one would hold locks of threads that are not in it.
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(workers, context, initializer=begin, initargs=arguments) as pool:
            yield from _in_order(pool, function, items, 4 * workers)
    except BrokenProcessPool:
        raise WorkerDiedError(
            "a process was ended while it worked: not enough memory, or an image that crashes its decoder; "
            "work on fewer at a time (-j), or use 'tddfa batch', which leaves such images out"
        ) from None


def _in_order(pool: Executor, function: Callable[[T], R], items: Iterable[T], ahead: int) -> Generator[R]:
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) == ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
