"""Entry point: which subcommand, and how its errors reach a person."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from tddfa._version import __version__
from tddfa.cli import evaluate, image, live, packs, studio, video, webcam
from tddfa.cli.interrupts import sigterm_as_ctrl_c
from tddfa.cli.messages import report
from tddfa.errors import TddfaError
from tddfa.packages import DISTRIBUTIONS, missing_package

INTERRUPTED = 130  # as shells report Ctrl-C


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command. Nothing heavy is imported to build it."""
    parser = argparse.ArgumentParser(
        prog="tddfa",
        description="3D dense face alignment: meshes, 68 landmarks, head pose and expression of every face.",
        epilog="See 'tddfa COMMAND --help' for a command's options.",
    )
    parser.add_argument("--version", action="version", version=f"tddfa {__version__}")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="say what is being done, and show tracebacks"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    image.add_parser(commands)
    video.add_parser(commands)
    live.add_parser(commands)
    webcam.add_parser(commands)
    studio.add_parser(commands)
    evaluate.add_parser(commands)
    packs.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns:
        The exit code: 0 when all went well, 1 when something could not be done (one line on standard error
        says what), 2 for wrong usage, 130 when interrupted.
    """
    args = build_parser().parse_args(argv)
    logging.basicConfig(
        format="tddfa: %(message)s",
        level=logging.INFO if args.verbose else logging.WARNING,
        stream=sys.stderr,
    )
    try:
        with sigterm_as_ctrl_c():
            return int(args.run(args))
    except TddfaError as error:
        if args.verbose:
            raise
        report(error)
        return 1
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if args.verbose or module not in DISTRIBUTIONS:
            raise
        report(missing_package(module, error))
        return 1
    except MemoryError:
        report("not enough memory; shrink the image or close other programs")
        return 1
    except BrokenPipeError:
        # The reader of our output, such as `head`, has what it wanted. Python would complain at exit.
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        print("tddfa: interrupted", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
