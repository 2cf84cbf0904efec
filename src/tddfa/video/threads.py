"""Work beside the caller: reading ahead of it, and writing behind it."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Generator, Iterable
from typing import Any, TypeVar

T = TypeVar("T")

_END = object()
_POLL_S = 0.1
# How long an abandoned reader is waited for, s. A read from a network that is silent cannot be interrupted;
# its thread ends by itself at the network's timeout.
_JOIN_S = 2.0


def ahead(items: Iterable[T], size: int, stop: threading.Event | None = None) -> Generator[T]:
    """Give the same items, of which a thread fetches up to `size` before they are asked for.

    An error of `items` is raised here, after the items before it. Closing the generator stops the thread.

    Args:
        items: may wait for long.
        size: how many are fetched ahead.
        stop: when set, the items end, also while the thread waits for one.
    """
    ready: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(size)
    closed = threading.Event()

    def put(item: Any, error: BaseException | None = None) -> None:
        while not closed.is_set():
            with contextlib.suppress(queue.Full):
                ready.put((item, error), timeout=_POLL_S)
                return

    def fetch() -> None:
        try:
            for item in items:
                put(item)
                if closed.is_set():
                    return
        except BaseException as error:
            put(_END, error)
        else:
            put(_END)

    thread = threading.Thread(target=fetch, name="tddfa-read", daemon=True)
    thread.start()
    try:
        while True:
            try:
                item, error = ready.get(timeout=_POLL_S)
            except queue.Empty:
                if stop is not None and stop.is_set():
                    return
                continue
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
    finally:
        closed.set()
        thread.join(_JOIN_S)


class Behind:
    """Call a function in a thread, in order, with what is put in; up to `size` calls wait.

    Leaving the context waits for the calls that were put in, also when it is left by an error. An error of
    the function is raised at the next `put`, or on leaving.
    """

    def __init__(self, function: Callable[..., object], size: int) -> None:
        self._function = function
        self._waiting: queue.Queue[tuple[Any, ...] | None] = queue.Queue(size)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="tddfa-write", daemon=True)

    def __enter__(self) -> Behind:
        self._thread.start()
        return self

    def put(self, *arguments: Any) -> None:
        """Have the function called with these arguments; waits while `size` calls are waiting."""
        self._raise()
        self._waiting.put(arguments)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._waiting.put(None)
        self._thread.join()
        if kind is None:
            self._raise()

    def _run(self) -> None:
        while (arguments := self._waiting.get()) is not None:
            if self._error is not None:
                continue  # so that the caller, who may be waiting in put, goes on
            try:
                self._function(*arguments)
            except BaseException as error:
                self._error = error

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error
