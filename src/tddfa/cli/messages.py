"""What commands say when something could not be done: one line on standard error."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any, TextIO, cast

from tddfa.errors import ExportFileError

# Control characters, ends of lines, and marks that turn the order of the text around.
_ESCAPES = {
    k: chr(k).encode("unicode_escape").decode()
    for k in (*range(32), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}


def report(problem: object, *, of: Path | None = None) -> None:
    """Print one line that says what went wrong.

    Args:
        problem: an error, or its text.
        of: the file it is about, which is named first unless the text names it.
    """
    text = str(problem)
    if of is not None and str(of) not in text:
        text = f"{of}: {text}"
    print(f"tddfa: error: {plain(text)}", file=sys.stderr)


def note(text: str) -> None:
    """Print one line about the run."""
    print(f"tddfa: {plain(text)}", file=sys.stderr)


def plain(text: object) -> str:
    """Return a text as one line that a terminal only shows: names of files may hold commands for it."""
    return str(text).translate(_ESCAPES)


def counted(number: int, thing: str) -> str:
    """Return a number of things, as "1 file" and "2 files"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


@contextlib.contextmanager
def standard_output() -> Generator[None]:
    """Have what is printed in the block written at its end, and make failures errors for a person.

    Raises:
        ExportFileError: standard output cannot be written, as on a full disk.
        BrokenPipeError: its reader has gone.
    """
    if sys.stdout is None:  # closed by the shell (>&-): print does nothing then
        yield
        return
    with contextlib.redirect_stdout(cast(TextIO, _StandardOutput(sys.stdout))):
        try:
            yield
        except SystemExit:  # the help was printed
            sys.stdout.flush()
            raise
        sys.stdout.flush()


class _StandardOutput:
    """Standard output whose failures are errors for a person.

    Args:
        stream: where to write.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text, such as the name of a file, with escapes for what the encoding does not have."""
        with _failures():
            try:
                return self._stream.write(text)
            except UnicodeEncodeError:
                encoding = self._stream.encoding
                return self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))

    def flush(self) -> None:
        """Write what is held back."""
        with _failures():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def _failures() -> Generator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ExportFileError(f"cannot write to standard output: {error.strerror}") from None
