"""Keep what native libraries write to standard error away from people."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Generator

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


_log = _OpenCVLog()


@contextlib.contextmanager
def quiet_decoders() -> Generator[None]:
    """Silence OpenCV, libpng, libjpeg and libtiff while the block runs.

    The codecs write to file descriptor 2 themselves. It is pointed to nowhere meanwhile, but only in a
    process of one thread: another thread could start a program that would inherit it.
    """
    with _log, _stderr_nowhere() if threading.active_count() == 1 else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def _stderr_nowhere() -> Generator[None]:
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error
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
