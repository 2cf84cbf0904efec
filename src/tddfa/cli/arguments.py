"""Kinds of arguments that several commands take."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

MIN_SEARCH_SIZE = 32

SMOOTHINGS = ("one-euro", "none", "window", "zero-phase")
"""Names of smoothers; their modules are loaded when one is made."""


def positive(text: str) -> int:
    """A whole number above 0."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return value


class Once(argparse.Action):
    """Store a value; refuse a second one, which would silently replace the first."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Store `values`."""
        given = f"{self.dest} was given"
        if getattr(namespace, given, False):
            parser.error(
                f"{option_string} may be given once; it was {getattr(namespace, self.dest)!r} before"
            )
        setattr(namespace, given, True)
        setattr(namespace, self.dest, values)


def search_size(text: str) -> int:
    """A search size: a whole number of px."""
    value = positive(text)
    if value < MIN_SEARCH_SIZE:
        raise argparse.ArgumentTypeError(f"{text!r} is below {MIN_SEARCH_SIZE} px")
    return value


def _folder(text: str) -> Path:
    """A folder."""
    if not text:  # for pathlib, this is the current folder
        raise argparse.ArgumentTypeError("the name of the folder is empty; . is the current one")
    return Path(text)


def add_folder(parser: argparse.ArgumentParser, purpose: str) -> None:
    """Add the option for the folder of what is written.

    Args:
        parser: of the command.
        purpose: what is written to it.
    """
    parser.add_argument(
        "-d",
        "--dir",
        metavar="DIR",
        type=_folder,
        default=Path(),
        help=f"folder for {purpose} (default: the current)",
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add the option for where networks run."""
    parser.add_argument(
        "--device",
        metavar="NAME",
        default="cpu",
        help="where networks run: cpu, cuda, coreml, directml, openvino, or auto (default: cpu)",
    )


def check_presence(device: str) -> None:
    """Refuse a device that this machine cannot use, before anything else is done.

    Raises:
        InputError: there is no such device, or the ONNX Runtime that is installed cannot use it.
    """
    if device != "cpu":
        from tddfa.runtime.devices import providers_of

        providers_of(device)


def add_quality(parser: argparse.ArgumentParser) -> None:
    """Add the option for how exactly the faces of videos are read."""
    parser.add_argument(
        "--quality",
        choices=("fast", "best"),
        default="fast",
        help="of faces in videos: best reads each one in every frame as in a photo, a quarter nearer to the "
        "truth, in two to three times the time (default: fast)",
    )


def add_search_size(parser: argparse.ArgumentParser, default: str) -> None:
    """Add the option for how thoroughly faces are searched.

    Args:
        parser: of the command.
        default: what is done without the option.
    """
    parser.add_argument(
        "--search-size",
        metavar="PX",
        type=search_size,
        help="longer side at which images are searched for faces; a larger one finds smaller faces and takes "
        f"longer (default: {default})",
    )
