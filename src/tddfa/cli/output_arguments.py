"""Options and checks of the command that follow from the table of kinds of output."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
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


def list_of(known: Sequence[str]) -> Callable[[str], list[str]]:
    """Return the type of an argument that is a comma list of names, or `all`."""

    def parse(text: str) -> list[str]:
        given = [name.strip() for name in text.split(",") if name.strip()]
        if "all" in given:
            return list(known)
        unknown = [name for name in given if name not in known]
        if unknown or not given:
            raise argparse.ArgumentTypeError(
                f"{unknown[0] if unknown else text!r} is no kind of output; choose from "
                f"{', '.join(known)}, all"
            )
        return list(dict.fromkeys(given))

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


def output_options(args: argparse.Namespace, kinds: Sequence[Kind]) -> OutputOptions:
    """Return the options of files; end with a usage error where one does not apply to any of the kinds."""
    given = {name: value for name in OPTIONS if (value := getattr(args, name, None)) is not None}
    for name in given:
        if not any(name in kind.options for kind in kinds):
            args.parser.error(_does_not_apply(name, kinds))
    options = OutputOptions(**given)
    if options.background == "transparent" and options.format != "png":
        args.parser.error("--background transparent needs --format png: JPEG knows no transparency")
    return options


def _does_not_apply(name: str, kinds: Sequence[Kind]) -> str:

    takers = _listed([kind.name for kind in KINDS if name in kind.options])
    requested = (
        f"asked for are {_listed([kind.name for kind in kinds])}" if kinds else "none is asked for (-o)"
    )
    return f"{_flag(name)} applies to {takers}; {requested}"


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
