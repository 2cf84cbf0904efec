"""Files that are either whole or not there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from pathlib import Path


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Generator[Path]:
    """A temporary path in the folder of `path`; what was written there takes its place at the end.

    When the block raises (a full disk, an interrupt), the temporary file is removed and `path` is as it
    was before. The temporary name keeps the suffix, for writers that choose their format by it.

    Raises:
        OSError: the folder does not exist or cannot be written.
    """
    path = Path(path)
    temporary = _new_file(path)
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _new_file(path: Path) -> Path:
    """Make an empty hidden file beside `path`, with the permissions that a file of `open` has."""
    # The system takes the umask off. To read the umask, a process has to set it, and files that other threads
    # make meanwhile can be written by everybody.
    while True:
        temporary = path.with_name(f".{path.stem[:40]}-{os.urandom(6).hex()}{path.suffix}")
        with contextlib.suppress(FileExistsError):
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            return temporary


def atomic_write(path: str | Path, data: bytes | memoryview) -> None:
    """Write `data` to `path` in one step: afterwards the file holds all of it, or is as it was before.

    Raises:
        OSError: the folder does not exist or cannot be written, or the disk is full.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
