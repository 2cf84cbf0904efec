"""`tddfa studio`: photos, videos and the camera in a browser."""

from __future__ import annotations

import argparse
import contextlib
import secrets
import sys
from typing import Any

from tddfa.cli.arguments import add_device, check_presence, positive
from tddfa.cli.commands import COMMANDS


def add_parser(commands: Any) -> None:
    """Add `studio` to the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "studio",
        help=COMMANDS["studio"].help,
        description="Serve a page that shows the faces of photos, videos and a camera, and a small service "
        "for scripts (POST /api/align). Everything stays on this computer. Ctrl-C ends it.",
    )
    parser.add_argument(
        "--host",
        metavar="ADDRESS",
        default="127.0.0.1",
        help="address to listen on; others than this computer need the token that is then printed, and TLS "
        "from a proxy before it (default: 127.0.0.1)",
    )
    parser.add_argument(
        "--port", metavar="N", type=_port, help="(default: 8470, or a free one where that is taken)"
    )
    parser.add_argument("--no-browser", action="store_true", help="open no browser")
    parser.add_argument(
        "--allow-host",
        metavar="NAME",
        action="append",
        default=[],
        help="a further name of the server, such as that of a proxy; may be given several times",
    )
    parser.add_argument("--token", metavar="TEXT", help="the token; a new one at each start when not given")
    parser.add_argument(
        "-j",
        "--jobs",
        metavar="N",
        type=positive,
        help="images that are worked on at a time (default: one per processor)",
    )
    add_device(parser)
    parser.add_argument("--pack", metavar="NAME", help="model pack, see 'tddfa packs list'")
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    """Run `tddfa studio`.

    Returns:
        0 when it was ended.

    Raises:
        InputError: the device, the token or the address cannot be used.
        PackError: there is no such pack, or it is damaged.
    """
    from tddfa.packs import default_pack_name, find_pack
    from tddfa.studio import StudioSettings, serve
    from tddfa.studio.settings import is_loopback

    check_presence(args.device)
    # The networks are loaded with the first request; a wrong name is told before.
    find_pack(args.pack or default_pack_name())
    if args.token is not None and len(args.token) < 8:
        args.parser.error("--token needs 8 characters or more")
    token: str | None = args.token
    if token is None and not is_loopback(args.host):
        token = secrets.token_urlsafe(16)
    workers = {} if args.jobs is None else {"workers": args.jobs}
    settings = StudioSettings(
        args.host, tuple(args.allow_host), token, args.pack, device=args.device, **workers
    )
    with contextlib.suppress(KeyboardInterrupt):
        serve(settings, args.port, browser=not args.no_browser, on_ready=_say, on_network=_say_network)
    return 0


def _say(url: str) -> None:
    print(f"tddfa studio: {url} (Ctrl-C ends it)", file=sys.stderr, flush=True)


def _say_network(url: str) -> None:
    print(f"tddfa studio: {url} on phones and other computers of this network", file=sys.stderr, flush=True)


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; give a number from 1 to 65535")
    return int(text)
