"""Ctrl-C and SIGTERM: the first one asks a command to finish, the second one ends it at once."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Generator

INTERRUPTED = 130
"""Exit code, as shells report Ctrl-C."""

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def interrupts() -> Generator[threading.Event]:
    """Yield an event that Ctrl-C or SIGTERM sets, so that open files can be finished.

    A second signal raises `KeyboardInterrupt`.
    """
    stop = threading.Event()

    def interrupted(*_: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread may handle signals
        return
    before = {number: signal.signal(number, interrupted) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def sigterm_as_ctrl_c() -> Generator[None]:
    """Have SIGTERM raise `KeyboardInterrupt`, so that unfinished files are removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
