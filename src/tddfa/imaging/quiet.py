"""Keep what native libraries write to standard error away from people."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading
from collections.abc import Generator
from functools import cache

from tddfa.imaging.opencv import cv2


class _OpenCVLog:
    """OpenCV's own log, silent while anybody decodes; as it was before otherwise."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._level = 0

    def __enter__(self) -> None:
        logging = cv2.utils.logging
        with self._lock:
            if self._users == 0:
                self._level = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                cv2.utils.logging.setLogLevel(self._level)


class _CStderr:
    """The variable `stderr` of the C library, which points to nowhere while anybody decodes.

    The codecs print to it themselves. File descriptor 2 stays what it is, so what Python writes arrives, and
    a program that another thread starts meanwhile inherits it.
    """

    def __init__(self, variable: ctypes.c_void_p, nowhere: int) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._variable = variable
        self._nowhere = nowhere
        self._kept: int | None = None

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._kept, self._variable.value = self._variable.value, self._nowhere
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._variable.value = self._kept


_log = _OpenCVLog()
_looking = threading.Lock()


def _c_stderr() -> _CStderr | None:
    """Return the one `_CStderr` of this process.

    Threads that decode for the first time ask at once: a cache alone would give each of them one of its own,
    and they would count apart.
    """
    with _looking:
        return _find_c_stderr()


@cache
def _find_c_stderr() -> _CStderr | None:
    """Return the C library's `stderr`; None where it cannot be assigned, as in musl and on Windows."""
    # The GNU C library's manual says that the variable can be set like any other; macOS's is one as well.
    name = "__stderrp" if sys.platform == "darwin" else "stderr"
    try:
        if sys.platform != "darwin" and not os.confstr("CS_GNU_LIBC_VERSION"):
            return None
        library = ctypes.CDLL(None)
        variable = ctypes.c_void_p.in_dll(library, name)
        library.fopen.restype = ctypes.c_void_p
        nowhere: int | None = library.fopen(os.devnull.encode(), b"w")
    except (OSError, ValueError, AttributeError):
        return None
    return _CStderr(variable, nowhere) if nowhere else None


@contextlib.contextmanager
def quiet_decoders() -> Generator[None]:
    """Silence OpenCV, libpng, libjpeg and libtiff while the block runs, in any number of threads."""
    with _log, _c_stderr() or _stderr_nowhere():
        yield


@contextlib.contextmanager
def _stderr_nowhere() -> Generator[None]:
    """Point file descriptor 2 to nowhere, where the C library's variable cannot be set.

    Only in a process of one thread: another thread could start a program that would inherit it.
    """
    try:
        kept = os.dup(2) if threading.active_count() == 1 else None
    except OSError:  # there is no standard error
        kept = None
    if kept is None:
        yield
        return
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
