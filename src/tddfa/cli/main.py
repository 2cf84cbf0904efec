"""Entry point: which subcommand, and how its errors reach a person."""

from __future__ import annotations

import argparse
import atexit
import importlib
import logging
import os
import sys
import threading
from collections.abc import Sequence
from typing import NoReturn

from tddfa._version import __version__
from tddfa.cli.commands import COMMANDS
from tddfa.cli.interrupts import INTERRUPTED, signals_as_ctrl_c
from tddfa.cli.messages import report, standard_output
from tddfa.errors import TddfaError
from tddfa.packages import DISTRIBUTIONS, missing_package


def build_parser(argv: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Return the parser of the whole command. Nothing heavy is imported to build it.

    Args:
        argv: arguments that will be parsed. Where they name a command, the parser knows only that one, and
            where they name none, the commands' lines alone: importing all of them would take longer than
            aligning a photo. Without arguments it knows everything.
    """
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
    named = next((argument for argument in argv if not argument.startswith("-")), None)
    for name, command in COMMANDS.items():
        if name == named or not argv:
            importlib.import_module(command.module).add_parser(commands)
        elif named not in COMMANDS:
            commands.add_parser(name, help=command.help)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns:
        The exit code: 0 when all went well, 1 when something could not be done (one line on standard error
        says what), 2 for wrong usage, 130 when interrupted.
    """
    argv = sys.argv[1:] if argv is None else argv
    verbose, code = False, 0
    try:
        with standard_output():
            args = build_parser(argv).parse_args(argv)
            verbose = args.verbose
            logging.basicConfig(
                format="tddfa: %(message)s",
                level=logging.INFO if verbose else logging.WARNING,
                stream=sys.stderr,
            )
            with signals_as_ctrl_c():
                code = int(args.run(args))
        return code
    except TddfaError as error:
        if verbose:
            raise
        report(error)
        return 1
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if verbose or module not in DISTRIBUTIONS:
            raise
        report(missing_package(module, error))
        return 1
    except FileNotFoundError:
        if verbose or _has_current_folder():
            raise
        report("the current folder was deleted; change to another one, and run the command again there")
        return 1
    except MemoryError:
        report("not enough memory; close other programs, or use smaller images or videos")
        return 1
    except BrokenPipeError:
        return code  # the reader of our output, such as `head`, has what it wanted
    except KeyboardInterrupt:
        print("tddfa: interrupted", file=sys.stderr)
        return INTERRUPTED


def _has_current_folder() -> bool:
    """Return whether the folder that relative paths begin with is there; another program may delete it."""
    try:
        os.getcwd()  # noqa: PTH109
    except FileNotFoundError:
        return False
    return True


def run_process() -> NoReturn:
    """Run the command as a process of its own, and end the process."""
    try:
        code = main()
    finally:
        _give_up_unwritten()
    _end_at_once(code)
    sys.exit(code)


def _give_up_unwritten() -> None:
    """Drop what cannot be written, which has been reported: Python would complain once more at exit."""
    for stream in (sys.stdout, sys.stderr):
        if stream is None or stream.closed:
            continue
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def _end_at_once(code: int) -> None:
    """End the process, whose output is written, unless threads are still at work.

    Taking apart the interpreter and the libraries takes a sixth of the time of a command for one photo.
    """
    if any(not t.daemon for t in threading.enumerate() if t is not threading.main_thread()):
        return
    atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]
    _give_up_unwritten()
    os._exit(code)


if __name__ == "__main__":
    run_process()
