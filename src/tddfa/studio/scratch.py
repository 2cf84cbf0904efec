"""Temporary files of a studio: in one folder, which goes with the process, or is swept by the next one."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

_FOLDER = re.compile(r"tddfa-studio-(\d+)-[0-9a-f]{8}")


class Scratch:
    """A folder for files of one run, that only its user reads.

    Args:
        parent: folder in which it is made; that of the system when not given.
    """

    def __init__(self, parent: Path | None = None) -> None:
        parent = parent or Path(tempfile.gettempdir())
        sweep(parent)
        self.folder = parent / f"tddfa-studio-{os.getpid()}-{secrets.token_hex(4)}"
        self.folder.mkdir(mode=0o700)

    def new_folder(self) -> Path:
        """Return a new folder in it, with a name of ours."""
        folder = self.folder / secrets.token_urlsafe(16)
        folder.mkdir(mode=0o700)
        return folder

    def remove(self, folder: Path) -> None:
        """Remove one of its folders."""
        shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.folder, ignore_errors=True)


def sweep(parent: Path) -> int:
    """Remove the folders of studios that were killed, and return their number."""
    swept = 0
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(parent)):
            match = _FOLDER.fullmatch(entry.name)
            if match and entry.is_dir(follow_symlinks=False) and not _runs(int(match[1])):
                shutil.rmtree(entry.path, ignore_errors=True)
                swept += 1
    return swept


def _runs(process: int) -> bool:
    if sys.platform == "win32":
        return True  # to ask could end it
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True
