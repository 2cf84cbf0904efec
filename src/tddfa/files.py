"""Files that are either whole or not there."""

from __future__ import annotations

import contextlib
import os
import tempfile
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
    handle, name = tempfile.mkstemp(prefix=f".{path.stem[:40]}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes private files; give the permissions that open() would have given.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def atomic_write(path: str | Path, data: bytes | memoryview) -> None:
    """Write `data` to `path` in one step: afterwards the file holds all of it, or is as it was before.

    Raises:
        OSError: the folder does not exist or cannot be written, or the disk is full.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
