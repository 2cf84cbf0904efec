"""Options and checks of the command that follow from the table of kinds of output."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tddfa.kinds import KINDS, OPTIONS, Kind, OutputOptions


class Listed(argparse.Action):
    """Add names to a list: `-o 3d -o json` asks for what `-o 3d,json` does."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Add the names of `values` that are not in the list yet."""
        setattr(namespace, self.dest, list(dict.fromkeys([*(getattr(namespace, self.dest) or ()), *values])))


_SUFFIX = re.compile(r"\.[A-Za-z]\w{0,7}$")


def list_of(
    known: Sequence[str], *, folder: str = "-d DIR", elsewhere: Mapping[str, str] | None = None
) -> Callable[[str], list[str]]:
    """Return the type of an argument that is a comma list of names, or `all`.

    Args:
        known: the names.
        folder: option that names the folder of the outputs, for users who give a path instead of a name.
        elsewhere: name that another option of the command takes → that option.
    """

    def parse(text: str) -> list[str]:
        given = [name.strip() for name in text.split(",") if name.strip()]
        unknown = [name for name in given if name not in (*known, "all")]
        if unknown or not given:
            name = unknown[0] if unknown else text
            advice = ""
            if elsewhere is not None and name in elsewhere:
                advice = f"; for {name} use {elsewhere[name]}"
            elif is_path_like(name):
                advice = f"; a folder goes to {folder}, and the files in it are named after the inputs"
            raise argparse.ArgumentTypeError(
                f"{name!r} is no kind of output; choose from {', '.join(known)}, all{advice}"
            )
        return list(known) if "all" in given else list(dict.fromkeys(given))

    return parse


def is_path_like(text: str) -> bool:
    """Return whether a text that is no name looks like a path: by its characters, or because it is there."""
    is_written_so = "/" in text or "\\" in text or text.startswith(("~", ".")) or _SUFFIX.search(text)
    return bool(is_written_so or os.path.exists(text))  # noqa: PTH110, no error for any text


def overlay_of(known: Sequence[str]) -> Callable[[str], str]:
    """Return the type of an argument that is the overlay of a window; `choices` refuses other names."""

    def parse(text: str) -> str:
        if text not in known and is_path_like(text):
            raise argparse.ArgumentTypeError(
                f"{text!r} is no overlay; choose from {', '.join(known)}. A window shows it and no file is "
                "written: the folder of snapshots goes to -d DIR, a table to --record FILE of 'tddfa live'"
            )
        return text

    return parse


def add_output_options(parser: argparse.ArgumentParser, kinds: Iterable[Kind]) -> None:
    """Add an option to the command for each that some of these kinds take."""
    kinds = tuple(kinds)
    for name, option in OPTIONS.items():
        takers = [kind.name for kind in kinds if name in kind.options]
        if not takers:
            continue
        text = f"with {_listed(takers)}: {option.help}"
        if option.choices:
            parser.add_argument(
                _flag(name), choices=option.choices, help=f"{text} (default: {option.default})"
            )
        else:
            parser.add_argument(_flag(name), action="store_true", default=None, help=text)


def chosen(wanted: Sequence[str], kinds: Sequence[Kind]) -> list[Kind]:
    """Return the kinds of these names, in the order of the names."""
    by_name = {kind.name: kind for kind in kinds}
    return [by_name[name] for name in wanted]


def output_options(args: argparse.Namespace, kinds: Sequence[Kind], *, by: str = "-o") -> OutputOptions:
    """Return the options of files; end with a usage error where one does not apply to any of the kinds.

    Args:
        args: of the command.
        kinds: kinds of output that are asked for.
        by: option that asks for them.
    """
    given = {name: value for name in OPTIONS if (value := getattr(args, name, None)) is not None}
    for name in given:
        if not any(name in kind.options for kind in kinds):
            args.parser.error(_does_not_apply(name, kinds, by))
    options = OutputOptions(**given)
    if options.background == "transparent" and options.format != "png":
        args.parser.error("--background transparent needs --format png: JPEG knows no transparency")
    return options


def _does_not_apply(name: str, kinds: Sequence[Kind], by: str) -> str:
    takers = _listed([kind.name for kind in KINDS if name in kind.options])
    requested = (
        f"asked for are {_listed([kind.name for kind in kinds])}" if kinds else f"none is asked for ({by})"
    )
    return f"{_flag(name)} applies to {takers}; {requested}"


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
