"""Writing a file, with errors for a person."""

from __future__ import annotations

import os

from tddfa.errors import ExportFileError
from tddfa.files import atomic_write


def write(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path`; it is afterwards whole, or as it was before.

    Raises:
        ExportFileError: the folder is missing or read-only, or the disk is full.
    """
    try:
        atomic_write(os.fspath(path), data)
    except OSError as error:
        raise ExportFileError(f"cannot write {os.fspath(path)}: {error.strerror}") from error
