"""What commands say when something could not be done: one line on standard error."""

from __future__ import annotations

import sys
from pathlib import Path


def report(problem: object, *, of: Path | None = None) -> None:
    """Print one line that says what went wrong.

    Args:
        problem: an error, or its text.
        of: the file it is about, which is named first unless the text names it.
    """
    text = str(problem)
    if of is not None and str(of) not in text:
        text = f"{of}: {text}"
    print(f"tddfa: error: {text}", file=sys.stderr)


def note(text: str) -> None:
    """Print one line about the run."""
    print(f"tddfa: {text}", file=sys.stderr)
