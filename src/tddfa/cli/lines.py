"""The file of `--json`: one object per input and line."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tddfa.errors import InputError, TddfaError


@dataclass(frozen=True, slots=True)
class Lines:
    """Where lines go.

    Attributes:
        file: open for writing.
        before: how many faces the lines of an earlier run have, by input.
    """

    file: IO[str]
    before: Mapping[str, int] = field(default_factory=dict[str, int])

    @staticmethod
    @contextlib.contextmanager
    def to(name: str | None, resume: bool) -> Generator[Lines | None]:
        """The lines of a file, or of standard output for `-`; None without a name.

        A file is there when all of it is, unless an earlier run is to be resumed: then it grows line by line.

        Raises:
            InputError: it cannot be written, or what is to be resumed is no file of such lines.
        """
        if name is None:
            yield None
        elif name == "-":
            yield Lines(sys.stdout)
            sys.stdout.flush()
        else:
            from tddfa.files import atomic_path

            try:
                if resume:
                    before = _read(Path(name))
                    with Path(name).open("a", encoding="utf-8", buffering=1) as file:
                        yield Lines(file, before)
                else:
                    with atomic_path(name) as temporary, temporary.open("w", encoding="utf-8") as file:
                        yield Lines(file)
            except OSError as error:
                if isinstance(error, TddfaError):
                    raise
                raise InputError(f"cannot write {name}: {error.strerror}") from None

    def add(self, name: str, line: str) -> None:
        """Write the line of an input, unless an earlier run has."""
        if name not in self.before:
            self.file.write(line + "\n")


def _read(path: Path) -> dict[str, int]:
    """The number of faces in each line of an earlier run; a last line that was not finished is cut off."""
    if not path.exists():
        return {}
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    found: dict[str, int] = {}
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            record: dict[str, Any] = json.loads(line)
            found[record["file"]] = len(record["faces"])
        except (ValueError, KeyError, TypeError):
            raise InputError(
                f"cannot resume: line {number} of {path} is none of 'tddfa image --json'; name another file"
            ) from None
    if len(whole) < len(data):
        with path.open("r+b") as file:
            file.truncate(len(whole))
    return found
