"""Which files a command may write over."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tddfa.cli.inputs import Inputs
from tddfa.errors import ExportFileError
from tddfa.provenance import is_ours


@dataclass(frozen=True, slots=True)
class OverwriteGuard:
    """Refuse to write over inputs of the run, and over files of others unless asked.

    Attributes:
        inputs: the inputs of the run.
        overwrite: whether files that tddfa did not make may be replaced.
        taken: a file that another option of the command writes.
    """

    inputs: Inputs
    overwrite: bool = False
    taken: Path | None = None

    def check(self, path: Path) -> None:
        """Refuse a file that must not be written over.

        Raises:
            ExportFileError: it is an input of the run, somebody else's, or written already.
        """
        if self.taken is not None and os.path.abspath(path) == os.path.abspath(self.taken):  # noqa: PTH100
            raise ExportFileError(f"cannot write {path}: another option of the command writes it")
        if not os.path.lexists(path) or is_ours(path) or _is_empty(path):
            return
        if path.is_dir():
            raise ExportFileError(f"cannot write {path}: there is a folder of that name")
        if self.inputs.holds(path):
            raise ExportFileError(
                f"cannot write {path}: it is an input of this run; choose another name, or folder (-d)"
            )
        if not self.overwrite:
            raise ExportFileError(
                f"cannot write {path}: a file that tddfa did not make has that name; choose another folder "
                f"(-d), or replace it with --overwrite"
            )


def _is_empty(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size == 0
    except OSError:
        return False
