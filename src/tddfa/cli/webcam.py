"""`tddfa webcam`: the short form of `tddfa live` that shows a window and nothing else."""

from __future__ import annotations

import argparse
from typing import Any

from tddfa.cli.commands import COMMANDS
from tddfa.cli.live import add_source_arguments, add_tracking_arguments, play
from tddfa.cli.output_arguments import overlay_of
from tddfa.cli.video import OVERLAY_KINDS

_KEYS = "space or 1 to 8: overlay, s: snapshot, m: mirror, q: quit"


def add_parser(commands: Any) -> None:
    """Add `webcam` to the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "webcam",
        help=COMMANDS["webcam"].help,
        description=f"Show the faces of a camera in a window, live. Keys: {_KEYS}. "
        "See 'tddfa live' for sending and recording.",
    )
    add_source_arguments(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="KIND",
        type=overlay_of(OVERLAY_KINDS),
        choices=OVERLAY_KINDS,
        default="2d_sparse",
        help=f"overlay to begin with: {', '.join(OVERLAY_KINDS)} (default: 2d_sparse)",
    )
    add_tracking_arguments(parser)
    parser.add_argument(
        "--no-mirror", dest="mirror", action="store_false", help="show the image as others see you"
    )
    parser.set_defaults(
        run=play, parser=parser, to=[], record=[], loop=False, overwrite=False, smooth_strength=1.0
    )
