"""The file of `--json`: one object per input and line."""

from __future__ import annotations

import contextlib
import json
import sys
from array import array
from bisect import bisect_left
from collections.abc import Callable, Generator
from dataclasses import field
from pathlib import Path
from typing import IO, Any

from tddfa.dataclass import dataclass
from tddfa.errors import InputError, TddfaError
from tddfa.files import IS_DEVICE, is_device

_START = b'{"file": '
_NOBODY = b'"faces": []}\n'
_LONGEST_NAME = 1 << 14
_DECODER = json.JSONDecoder()


def _none() -> array[int]:
    return array("q")


@dataclass(frozen=True, slots=True, eq=False)
class Done:
    """The inputs of an earlier run: eight bytes for each.

    Attributes:
        with_faces: hashes of the names of inputs with faces, ascending.
        without: hashes of the names of inputs in which no face was found, ascending.
    """

    with_faces: array[int] = field(default_factory=_none)
    without: array[int] = field(default_factory=_none)

    def __contains__(self, name: str) -> bool:
        return _holds(self.with_faces, name) or _holds(self.without, name)

    def has_no_face(self, name: str) -> bool:
        """Whether an input was done and no face was found in it."""
        return _holds(self.without, name)


@dataclass(frozen=True, slots=True)
class Lines:
    """Where lines go.

    Attributes:
        file: open for writing.
        done: what an earlier run has written.
    """

    file: IO[str]
    done: Done = field(default_factory=Done)

    @staticmethod
    @contextlib.contextmanager
    def to(name: str | None, resume: bool, check: Callable[[Path], None]) -> Generator[Lines | None]:
        """Yield the lines of a file, or of standard output for `-`; None without a name.

        A file is there when all of it is, unless an earlier run is to be resumed: then it grows line by line.

        Args:
            name: name of the file.
            resume: whether to add to it.
            check: raises an error for a file that must not be written over.

        Raises:
            InputError: it cannot be written, or what is to be resumed is no file of such lines.
        """
        if name is None:
            yield None
        elif name == "-":
            if sys.stdout is None:
                raise InputError("cannot write to standard output: it is closed")
            yield Lines(sys.stdout)
        else:
            from tddfa.files import atomic_path

            try:
                if resume:
                    if is_device(name):
                        raise InputError(f"cannot write {name}: {IS_DEVICE}; choose another name")
                    with Path(name).open("a", encoding="utf-8", buffering=1) as file:
                        _claim(file, name)
                        yield Lines(file, _read(Path(name)))
                else:
                    check(Path(name))
                    with atomic_path(name) as temporary, temporary.open("w", encoding="utf-8") as file:
                        yield Lines(file)
            except OSError as error:
                if isinstance(error, TddfaError):
                    raise
                folder = Path(name).parent
                if isinstance(error, FileNotFoundError) and not folder.exists():
                    raise InputError(
                        f"cannot write {name}: there is no folder {folder}; make it first"
                    ) from None
                raise InputError(f"cannot write {name}: {error.strerror}") from None

    def add(self, name: str, line: str) -> None:
        """Write the line of an input, unless an earlier run has."""
        if name not in self.done:
            self.file.write(line + "\n")


def _claim(file: IO[str], name: str) -> None:
    """Keep other runs from adding to a file as long as it is open.

    Raises:
        InputError: another run does: both would do the same images, and have a line each.
    """
    try:
        import fcntl
    except ImportError:
        return  # Windows
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(f"cannot write {name}: another run adds to it; let it end, then resume") from None
    except OSError:
        pass  # a file system without locks


def _read(path: Path) -> Done:
    """Return what an earlier run has done, line by line; a last line that was not finished is cut off."""
    with_faces, without = _none(), _none()
    whole = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n") and (line.startswith(_START) or _START.startswith(line)):
                break
            whole += len(line)
            try:
                name, nobody = _parsed(line)
            except (ValueError, KeyError, TypeError, RecursionError):
                raise InputError(
                    f"cannot resume: line {number} of {path} is none of 'tddfa image --json'; name another "
                    "file"
                ) from None
            (without if nobody else with_faces).append(hash(name))
    if whole < path.stat().st_size:
        with path.open("r+b") as file:
            file.truncate(whole)
    return Done(_sorted(with_faces), _sorted(without))


def _parsed(line: bytes) -> tuple[str, bool]:
    """Return the name of the input of a line, and whether it has no face."""
    with contextlib.suppress(ValueError):
        # The name stands first: a line of 15 kB need not be read as a whole.
        if line.startswith(_START) and line.endswith(b"}\n"):
            name, end = _DECODER.raw_decode(line[len(_START) :][:_LONGEST_NAME].decode("ascii"))
            if isinstance(name, str) and line[len(_START) + end :].startswith(b", "):
                return name, line.endswith(_NOBODY)
    record: dict[str, Any] = json.loads(line)
    name, faces = record["file"], record["faces"]
    if not isinstance(name, str) or not isinstance(faces, list):
        raise ValueError
    return name, not faces


def _sorted(hashes: array[int]) -> array[int]:
    import numpy as np  # not needed for --help

    if hashes:
        np.frombuffer(hashes, np.int64).sort()  # in place
    return hashes


def _holds(hashes: array[int], name: str) -> bool:
    at = bisect_left(hashes, hash(name))
    return at < len(hashes) and hashes[at] == hash(name)
