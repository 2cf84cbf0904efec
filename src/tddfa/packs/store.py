"""Where packs live: the folder of installed packs, and what comes and goes in it."""

from __future__ import annotations

import contextlib
import copyreg
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tddfa.errors import PackError, PackNotFoundError
from tddfa.packs.locations import BUILT_IN, pack_folder
from tddfa.packs.manifest import FILE_NAME, Manifest
from tddfa.packs.names import is_pack_name
from tddfa.packs.pack import ModelPack
from tddfa.types.arguments import as_path, as_text

DEFAULT_PACK = "open"
_WORK_PREFIX = ".installing-"
_ABANDONED_S = 24 * 3600


def pack_roots() -> list[Path]:
    """Return the folders where packs lie, those first whose packs take the place of others."""
    try:
        return [pack_folder(), BUILT_IN]
    except PackError:
        return [BUILT_IN]


def default_pack_name() -> str:
    """The pack that is used when none is named: `TDDFA_PACK`, or the built-in one."""
    return os.environ.get("TDDFA_PACK") or DEFAULT_PACK


def installed_packs() -> dict[str, ModelPack | PackError]:
    """Every built-in and installed pack by name; an error in place of one whose manifest cannot be read.

    An installed pack takes the place of a built-in one of its name.
    """
    found: dict[str, ModelPack | PackError] = {}
    for root in reversed(pack_roots()):
        for folder in _folders(root):
            try:
                found[folder.name] = ModelPack.open(folder)
            except PackError as error:
                found[folder.name] = error
    return found


def _folders(root: Path) -> list[Path]:
    """Return the folders in `root` that can be packs; none where it cannot be read."""
    try:
        return sorted(f for f in root.iterdir() if is_pack_name(f.name) and _is_folder(f))
    except OSError:
        return []


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # inside a folder that may not be searched
        return False


def find_pack(name: str | os.PathLike[str]) -> ModelPack:
    """The pack of that name, or the pack in that folder.

    Args:
        name: of a built-in or installed pack, or the path of a folder with a manifest; `name:network` and
            `folder:network` are another network of the pack.

    Raises:
        PackNotFoundError: there is none, or it has no such network.
        PackError: its manifest cannot be read.
        InputError: `name` is neither text nor a path.
    """
    as_path("pack", name)
    text = os.fspath(name)
    place, network = _place_and_network(text)
    separators = {os.sep, os.altsep or os.sep}
    if isinstance(name, os.PathLike) or separators & set(place):
        pack = ModelPack.open(Path(place))
    else:
        # A folder beside the photos must not take the place of the pack that is meant.
        folders = [root / place for root in pack_roots() if is_pack_name(place)]
        folder = next((f for f in folders if _is_folder(f)), None)
        if folder is None and not _has_manifest(place):
            raise PackNotFoundError(_not_found(text))
        pack = ModelPack.open(folder or Path(place))
    return pack if network is None else pack.variant(network)


def reopen_pack(folder: str, name: str, fingerprint: str) -> ModelPack:
    """Return a pack that was open before, perhaps in another process or on another machine.

    Args:
        folder: where it lay.
        name: its name, `pack` or `pack:network`.
        fingerprint: checksum of its files.

    Raises:
        PackNotFoundError: neither the folder nor a pack of that name has these files.
    """
    _, colon, network = name.partition(":")
    for place in (folder + colon + network, name):
        with contextlib.suppress(PackError):
            pack = find_pack(place)
            if pack.fingerprint == fingerprint:
                return pack
    raise PackNotFoundError(
        f"the pack {name!r} that was in {folder} is not here any more, or has changed; install it "
        "or put it there again"
    )


def _reduced(pack: ModelPack) -> tuple[Any, ...]:
    """Return how a pack is pickled: one that lies on disk as it is here is opened again, others go whole."""
    with contextlib.suppress(PackError):
        network = pack.manifest.name.partition(":")[2]
        opened = ModelPack.open(pack.folder)
        if (opened.variant(network) if network else opened) == pack:
            return reopen_pack, (str(pack.folder.absolute()), pack.manifest.name, pack.fingerprint)
    return ModelPack, (pack.folder, pack.manifest)


# A value knows nothing of the store, so the store tells pickle; `tddfa.packs` always loads both.
copyreg.pickle(ModelPack, _reduced)


def _place_and_network(text: str) -> tuple[str, str | None]:
    """The two parts of `place:network`; the network is None where there is none."""
    place, colon, network = text.rpartition(":")
    # A folder may have a colon in its name, and in C:\packs\mine the colon is that of the drive.
    if not colon or set(network) & set("/\\") or _has_manifest(text):
        return text, None
    return place, network


def remove_pack(name: str) -> None:
    """Delete an installed pack, broken ones too.

    Raises:
        PackNotFoundError: there is none of that name.
        PackError: it cannot be deleted.
        InputError: `name` is no text.
    """
    as_text("name", name)
    roots = pack_roots() if is_pack_name(name) else []
    folder = next((root / name for root in roots if _is_folder(root / name)), None)
    if folder is None:
        raise PackNotFoundError(f"{_not_there(name)}; there is nothing to remove")
    if folder.parent == BUILT_IN:
        raise PackError(f"pack {name!r} is part of the package and cannot be removed")
    try:
        _discard(folder)
    except OSError as error:
        raise PackError(f"cannot remove {folder}: {error.strerror}") from error


def is_ready_pack(location: str) -> bool:
    """Return whether a folder is a pack that can be installed as it is."""
    return _has_manifest(location)


def _has_manifest(location: str) -> bool:
    try:
        return os.path.lexists(Path(location) / FILE_NAME)
    except ValueError:  # no path can have a NUL
        return False


def install_folder(name: str, location: str) -> ModelPack:
    """Copy a ready pack, for example one of your own training, among the installed ones.

    Args:
        name: its name, as its manifest has it.
        location: its folder.

    Raises:
        PackError: it is broken, has another name, or cannot be written; nothing is left behind.
    """
    pack = ModelPack.open(Path(location))
    if pack.manifest.name != name:
        raise PackError(
            f"the pack in {location} is named {pack.manifest.name!r}, not {name!r}; install it under its name"
        )
    pack.verify()  # where a file of the user is damaged, not in the copy

    def write(folder: Path) -> None:
        for file in pack.manifest.files:
            (folder / file).write_bytes(pack.read(file))
        (folder / FILE_NAME).write_text(pack.manifest.to_json(), encoding="utf-8")

    return install(name, write)


def install(name: str, write: Callable[[Path], object]) -> ModelPack:
    """Make what `write` writes into an empty folder the installed pack `name`.

    Nothing is left behind when it raises. When two processes install the same pack, both succeed; a pack
    that is whole and equal to the new one stays as it is.

    Raises:
        PackError: the name is none, the folder of packs cannot be written, or what was made is no pack.
    """
    if not is_pack_name(name):
        raise PackError(f"{name!r} cannot be the name of a pack; use letters, digits and dashes")
    import tempfile

    root = pack_folder()
    try:
        root.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=_WORK_PREFIX, dir=root))
    except OSError as error:
        raise PackError(
            f"cannot write to the folder of packs {root}: {error.strerror}; choose another with TDDFA_PACKS"
        ) from error
    try:
        _sweep(root)
        content = work / "pack"
        content.mkdir()
        write(content)
        made = ModelPack.open(content)
        made.verify()
        _put(made, root / name, work)
    except OSError as error:
        if isinstance(error, PackError):
            raise
        raise PackError(f"cannot install {name!r} in {root}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    # Not read again: another process may be between the two steps of putting its own there.
    return ModelPack(root / name, made.manifest)


def _put(made: ModelPack, target: Path, work: Path) -> None:
    # A folder cannot replace a folder in one step: for a moment there is none. So an equal pack stays, which
    # is how processes that install the same pack never take it from each other; a different one is moved
    # aside first, again when another process has put its own there meanwhile.
    for attempt in range(100):
        if _is_whole(target, made.manifest):
            return
        with contextlib.suppress(OSError):
            target.rename(work / f"old-{attempt}")
        try:
            made.folder.rename(target)
        except OSError:
            if attempt == 99:
                raise
        else:
            return


def _is_whole(folder: Path, manifest: Manifest) -> bool:
    try:
        there = ModelPack.open(folder)
        there.verify()
    except PackError:
        return False
    return there.manifest == manifest


def _discard(folder: Path) -> None:
    import tempfile

    # Renamed first: from then on nobody sees a pack of which half is deleted.
    grave = Path(tempfile.mkdtemp(prefix=_WORK_PREFIX, dir=folder.parent))
    folder.rename(grave / "old")
    shutil.rmtree(grave)


def _sweep(root: Path) -> None:
    # Work folders of processes that were killed.
    for folder in root.glob(f"{_WORK_PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(folder, ignore_errors=True)


def _not_found(name: str) -> str:
    return (
        f"{_not_there(name)}. See which there are with 'tddfa packs list', get one with "
        f"'tddfa packs install NAME'"
    )


def _not_there(name: str) -> str:
    return f"no model pack named {name!r}; installed: {', '.join(installed_packs()) or 'none'}"
