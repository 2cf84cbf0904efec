"""Which files a command may write over."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tddfa.dataclass import dataclass
from tddfa.errors import ExportFileError
from tddfa.files import IS_DEVICE, is_device
from tddfa.provenance import is_ours

if TYPE_CHECKING:
    from tddfa.streams import Sink


class Held(Protocol):
    """The inputs of a run."""

    def holds(self, path: Path) -> bool:
        """Whether an existing file is one of the inputs, under any of its names."""
        ...


@dataclass(frozen=True, slots=True)
class Places:
    """Inputs that are read as they are: each file named, and all files in each folder.

    Attributes:
        paths: files and folders.
    """

    paths: tuple[Path, ...] = ()

    def holds(self, path: Path) -> bool:
        """Whether an existing file is one of the inputs, under any of its names."""
        for place in self.paths:
            if place.is_dir():
                if _real(path).is_relative_to(_real(place)):
                    return True
            elif _is_same(path, place):
                return True
        return False


@dataclass(frozen=True, slots=True)
class OverwriteGuard:
    """Refuse to write over inputs of the run, and over files of others unless asked.

    Attributes:
        inputs: the inputs of the run.
        overwrite: whether files that tddfa did not make may be replaced.
        taken: a file that another option of the command writes.
        elsewhere: what the command offers instead.
    """

    inputs: Held
    overwrite: bool = False
    taken: Path | None = None
    elsewhere: str = "choose another folder (-d)"

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
        if is_device(path):
            raise ExportFileError(f"cannot write {path}: {IS_DEVICE}; {self.elsewhere}")
        if self.inputs.holds(path):
            raise ExportFileError(f"cannot write {path}: it is an input of this run; {self.elsewhere}")
        if self.overwrite:
            return
        if path.is_symlink() and not _is_same(path, path):
            raise ExportFileError(
                f"cannot write {path}: it is a link to a file that is not there; {self.elsewhere}, or "
                "replace the link with --overwrite"
            )
        raise ExportFileError(
            f"cannot write {path}: that file is there, and nothing in it says that tddfa made it; "
            f"{self.elsewhere}, or replace it with --overwrite"
        )

    def check_sinks(self, sinks: Iterable[Sink]) -> None:
        """Refuse files of sinks that must not be written over, before the first frame is read.

        Raises:
            ExportFileError: as `check`, or two sinks would write the same file.
        """
        from tddfa.streams import FileSink

        written: set[str] = set()
        for sink in sinks:
            if not isinstance(sink, FileSink):
                continue
            for path in sink.targets():
                self.check(path)
                if (name := os.path.abspath(path)) in written:  # noqa: PTH100
                    raise ExportFileError(f"cannot write {path}: two outputs have that name")
                written.add(name)


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Add `--overwrite`."""
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace files that tddfa did not make; inputs of the run are never replaced",
    )


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # `Path.resolve` fails for links that lead to each other


def _is_same(path: Path, other: Path) -> bool:
    """Return whether two names mean one file; False where one of them leads to none."""
    try:
        return path.samefile(other)
    except OSError:
        return False


def _is_empty(path: Path) -> bool:
    try:
        return path.is_file() and not path.is_symlink() and path.stat().st_size == 0
    except OSError:
        return False
