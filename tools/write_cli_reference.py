"""Write docs/reference/cli.md: the help of every command, as the program prints it.

    python tools/write_cli_reference.py [--check]

`--check` only says whether the page is as the program is; the tests call it.
"""

import argparse
import os
import sys
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs/reference/cli.md"
HEAD = "# Commands\n\nWritten by `python tools/write_cli_reference.py` from the programs' own help.\n"


def parsers(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """Return a parser and those of its commands, depth first."""
    found = [parser]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                found += parsers(child)
    return found


def page() -> str:
    """Return the text of the page."""
    os.environ["COLUMNS"] = "100"
    from tddfa.cli.main import build_parser

    parts = [HEAD]
    for parser in parsers(build_parser()):
        parts.append(f"## {parser.prog}\n\n```text\n{parser.format_help().rstrip()}\n```\n")
    return "\n".join(parts)


def main() -> int:
    """Write the page, or compare it."""
    text = page()
    if "--check" in sys.argv:
        return 0 if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text else 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
