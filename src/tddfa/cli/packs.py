"""`tddfa packs`: list, info, install, verify, remove."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from tddfa.cli.commands import COMMANDS
from tddfa.cli.messages import report
from tddfa.errors import PackError, PackNotFoundError


def add_parser(commands: Any) -> None:
    """Add `packs` to the command."""
    parser = commands.add_parser(
        "packs",
        help=COMMANDS["packs"].help,
        description="Model packs: networks and face model in one verified folder. They live in the "
        "platform's data folder, or where TDDFA_PACKS says.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    def action(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        sub: argparse.ArgumentParser = actions.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        return sub

    action("list", _list, "show which packs are installed and which can be")
    info = action("info", _info, "show the manifest of a pack: licence, provenance, files, measured numbers")
    info.add_argument("name", metavar="NAME")
    install = action("install", _install, "convert weights of 3DDFA_V2 into a pack, or copy a ready one")
    install.add_argument(
        "name", metavar="NAME", help="3ddfa-v2-mb1, 3ddfa-v2-mb05, 3ddfa-v2-resnet22, or any pack"
    )
    install.add_argument(
        "--from",
        dest="location",
        metavar="DIR|URL",
        help="a local copy or mirror of the 3DDFA_V2 project, or the folder of a ready pack; downloaded "
        "from the project's repository when not given",
    )
    verify = action("verify", _verify, "compare the files of packs with their checksums")
    verify.add_argument("names", metavar="NAME", nargs="*", help="all installed packs when not given")
    remove = action("remove", _remove, "delete installed packs")
    remove.add_argument("names", metavar="NAME", nargs="+")


def _list(_: argparse.Namespace) -> int:
    from tddfa.packs import default_pack_name, installed_packs
    from tddfa.packs.convert.catalog import V2_PACKS

    installed = installed_packs()
    default = default_pack_name()
    print(_where())
    for name, pack in installed.items():
        text = f"broken: {pack}" if isinstance(pack, PackError) else pack.manifest.title
        print(f"  {name:20} {'default  ' if name == default else 'installed'}  {text}")
    for name, pack in V2_PACKS.items():
        if name not in installed:
            print(f"  {name:20} {'available'}  {pack.title}")
    return 0


def _where() -> str:
    from tddfa.packs import pack_folder

    try:
        return f"packs in {pack_folder()}"
    except PackError as error:
        return f"packs of the package ({error})"


def _info(args: argparse.Namespace) -> int:
    from tddfa.packs import find_pack

    pack = find_pack(args.name)
    print(json.dumps({"folder": str(pack.folder), **json.loads(pack.manifest.to_json())}, indent=2))
    return 0


def _install(args: argparse.Namespace) -> int:
    from tddfa.packs.convert.catalog import LICENCE, V2_PACKS
    from tddfa.packs.store import install_folder, is_ready_pack

    if args.location is not None and is_ready_pack(args.location):
        pack = install_folder(args.name, args.location)
        print(f"licence of {args.name}: {pack.manifest.licence.name}", file=sys.stderr)
    elif args.name in V2_PACKS:
        print(f"licence of {args.name}: {LICENCE.name}", file=sys.stderr)
        print(f"{LICENCE.terms} See {LICENCE.url}", file=sys.stderr)
        from tddfa.packs.convert.v2 import install_v2

        with _DownloadBar() as bar:
            pack = install_v2(args.name, args.location, bar)
    elif args.location is not None:
        raise PackNotFoundError(
            f"cannot install {args.name!r} from {args.location}: {_no_pack(args.location)}; --from takes the "
            f"folder of a ready pack, or a copy or mirror of 3DDFA_V2 for {', '.join(V2_PACKS)}"
        )
    else:
        raise PackNotFoundError(
            f"no pack named {args.name!r} can be installed; known are {', '.join(V2_PACKS)}. A ready pack "
            f"installs with --from and its folder"
        )
    print(f"installed {pack.manifest.name} in {pack.folder}")
    return 0


def _no_pack(location: str) -> str:
    """Return why there is no ready pack in a place."""
    from tddfa.packs.manifest import FILE_NAME

    if "://" in location:
        return "ready packs are not downloaded"
    return f"it has no {FILE_NAME}" if os.path.isdir(location) else "it is no folder"  # noqa: PTH112, no error


def _verify(args: argparse.Namespace) -> int:
    from tddfa.packs import find_pack, installed_packs

    names = args.names or list(installed_packs())
    if not names:
        print(f"no {_where()}")
    broken = 0
    for name in names:
        try:
            find_pack(name).verify()
            print(f"{name}: all files are whole")
        except PackError as error:
            broken += 1
            report(error)
    return 1 if broken else 0


def _remove(args: argparse.Namespace) -> int:
    from tddfa.packs import remove_pack

    for name in args.names:
        remove_pack(name)
        print(f"removed {name}")
    return 0


class _DownloadBar:
    """A progress bar per downloaded file, on a terminal."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._name = ""

    def __enter__(self) -> _DownloadBar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, name: str, done: int, total: int) -> None:
        from tqdm import tqdm

        if name != self._name:
            self.__exit__()
            self._name = name
            self._bar = tqdm(total=total or None, desc=name, unit="B", unit_scale=True, disable=None)
        self._bar.update(done - self._bar.n)
