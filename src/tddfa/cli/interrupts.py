"""Ctrl-C, SIGTERM and a terminal that closes: the first asks a command to finish, the second ends it."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import sys
import threading
from collections.abc import Callable, Generator
from types import FrameType

INTERRUPTED = 130
"""Exit code, as shells report Ctrl-C."""

_HANGUP: signal.Signals | None = getattr(signal, "SIGHUP", None)  # Windows has none

SIGNALS = (signal.SIGINT, signal.SIGTERM, *([] if _HANGUP is None else [_HANGUP]))
"""Signals that end a command."""


@contextlib.contextmanager
def interrupts() -> Generator[threading.Event]:
    """Yield an event that Ctrl-C, SIGTERM or a closed terminal sets, so that open files can be finished.

    A second Ctrl-C or SIGTERM raises `KeyboardInterrupt`. A second SIGHUP does not: of a terminal that
    closes, both the system and the shell send one.
    """
    stop = threading.Event()

    def interrupted(number: int, _: FrameType | None) -> None:
        if number == _HANGUP:
            _leave_terminal()
        elif stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    with _handled(interrupted, SIGNALS):
        yield stop


@contextlib.contextmanager
def signals_as_ctrl_c() -> Generator[None]:
    """Have SIGTERM and SIGHUP raise `KeyboardInterrupt`, so that unfinished files are removed."""

    def interrupted(number: int, _: FrameType | None) -> None:
        if number != _HANGUP:
            raise KeyboardInterrupt
        _leave_terminal()
        signal.signal(number, signal.SIG_IGN)  # a second one would interrupt the end
        signal.raise_signal(signal.SIGTERM)  # which servers handle in their own way

    with _handled(interrupted, SIGNALS[1:]):
        yield


@contextlib.contextmanager
def _handled(
    handler: Callable[[int, FrameType | None], object], numbers: tuple[signal.Signals, ...]
) -> Generator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may handle signals
        return
    # `nohup` has SIGHUP ignored, and so it stays.
    numbers = tuple(n for n in numbers if n != _HANGUP or signal.getsignal(n) is not signal.SIG_IGN)
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def _leave_terminal() -> None:
    """Write no more to a terminal that has closed: each line would be an error while files are finished."""
    for stream in (sys.__stdout__, sys.__stderr__):
        with contextlib.suppress(OSError, ValueError):
            # A terminal that has closed is no `isatty` any more.
            if stream is not None and stat.S_ISCHR(os.fstat(stream.fileno()).st_mode):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)
