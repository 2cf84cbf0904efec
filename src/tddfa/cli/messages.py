"""What commands say when something could not be done: one line on standard error."""

from __future__ import annotations

import sys
from pathlib import Path

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
