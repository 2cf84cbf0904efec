"""Work on several items at a time, results in order."""

from __future__ import annotations

import functools
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from tddfa.errors import TddfaError

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")


class WorkerDiedError(TddfaError, RuntimeError):
    """A process that was to do some of the work has ended."""


def one_at_a_time(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function that threads call one after the other.

    Caches of the standard library let threads that ask at once compute, and keep, a value each.

    Args:
        function: may call itself.
    """
    lock = threading.RLock()

    def renew() -> None:
        nonlocal lock
        lock = threading.RLock()

    if hasattr(os, "register_at_fork"):
        # A copy of the process would wait for ever for a thread that is not in it.
        os.register_at_fork(after_in_child=renew)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with lock:
            return function(*args, **kwargs)

    return call


def in_order(function: Callable[[T], R], items: Iterable[T], workers: int) -> Generator[R]:
    """Yield `function` of each item, in the order of the items, computed by `workers` threads.

    Items are taken as they are needed, at most two per worker ahead of the caller, so memory does not grow
    with their number. An error of the function, or of the items, is raised in its place and ends the rest.

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
    source, failure = iter(items), None
    try:
        while failure is None:
            try:
                waiting.append(pool.submit(function, next(source)))
            except StopIteration:
                break
            except Exception as error:
                failure = error  # the results of the items before it come first
            if len(waiting) == ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
        if failure is not None:
            raise failure
    finally:
        for future in waiting:
            future.cancel()
