"""Files of packs, read without trust: regular files of an expected size."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

# A pipe without a writer would block the opening, and a terminal could become ours.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)


def read_regular(path: Path, most: int) -> bytes:
    """Return the content of a regular file, or the first `most + 1` bytes of a larger one.

    Args:
        path: of the file, or a link to it.
        most: bytes that are expected at most; memory is bounded by it.

    Raises:
        OSError: the file cannot be read, or is no regular file: a folder, a pipe, a device.
    """
    handle = os.open(path, _FLAGS)
    with open(handle, "rb", closefd=True) as file:  # noqa: PTH123  # what is open cannot be exchanged
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        # Files of /proc are regular and have no size; their content may have no end.
        return file.read(min(most, about.st_size) + 1)
