"""Files that are either whole or not there."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import re
import stat
import sys
import time
import zlib
from collections.abc import Generator
from pathlib import Path

_LONGEST_SUFFIX = 16
_TEMPORARY = re.compile(r"\.tddfa-([0-9a-f]{8})-(\d+)-[0-9a-f]{8}(\..{1,15})?")
_STALE_S = 24 * 3600  # age from which on a temporary file of another machine is a leftover
_unfinished: set[Path] = set()


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Generator[Path]:
    """Yield a temporary path in the folder of `path`; what was written there takes its place at the end.

    When the block raises (a full disk, an interrupt), the temporary file is removed and `path` is as it
    was before. The temporary name keeps the suffix, for writers that choose their format by it.

    Raises:
        OSError: the folder does not exist or cannot be written, or `path` is a device or a pipe.
    """
    path = Path(path)
    if is_device(path):
        # A file in its place would leave the machine without a /dev/null, and a reader without its writer.
        raise OSError(errno.EINVAL, IS_DEVICE)
    temporary = _new_file(path)
    _unfinished.add(temporary)
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        _unfinished.discard(temporary)


def _new_file(path: Path) -> Path:
    """Make an empty hidden file beside `path`, with the permissions that a file of `open` has."""
    suffix = path.suffix if len(path.suffix) <= _LONGEST_SUFFIX else ""
    # The system takes the umask off. To read the umask, a process has to set it, and files that other threads
    # make meanwhile can be written by everybody.
    while True:
        name = f".tddfa-{_machine()}-{os.getpid()}-{os.urandom(4).hex()}{suffix}"
        with contextlib.suppress(FileExistsError):
            temporary = path.parent / name
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            return temporary


IS_DEVICE = "it is a device or a pipe, and no file"
"""What a message says of a name for which `is_device` is true."""


def is_device(path: str | Path) -> bool:
    """Return whether a name leads to what is neither a file nor a folder, or lies in /dev itself."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116, pathlib changes names
    except (OSError, ValueError):
        return False
    if stat.S_ISREG(mode):
        # /dev/stdout is a link, which leads to a file where the shell sends the output to one.
        return os.path.realpath(os.path.dirname(path)) == "/dev"  # noqa: PTH120, as above
    return not stat.S_ISDIR(mode)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, where they are missing; of any depth.

    Raises:
        OSError: one of them cannot be made.
    """
    # mkdir(parents=True) calls itself for each level, which Python ends at a thousand.
    missing: list[Path] = []
    while not folder.is_dir():
        missing.append(folder)
        if folder == folder.parent:
            break  # the current folder was removed
        folder = folder.parent
    for below in reversed(missing):
        below.mkdir(exist_ok=True)


def file_above(folder: str | Path) -> Path | None:
    """Return the file that has the name of a folder or of one above it, so that the folder cannot be made."""
    path = Path(os.path.abspath(folder))  # noqa: PTH100, links stay as they are
    there = next((place for place in (path, *path.parents) if os.path.lexists(place)), path)
    return there if os.path.exists(there) and not os.path.isdir(there) else None  # noqa: PTH110, PTH112


def atomic_write(path: str | Path, data: bytes | memoryview) -> None:
    """Write `data` to `path` in one step: afterwards the file holds all of it, or is as it was before.

    Raises:
        OSError: the folder does not exist or cannot be written, or the disk is full.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def remove_unfinished() -> None:
    """Remove the temporary files of this process, which is about to end without finishing them."""
    for temporary in tuple(_unfinished):
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_once(path: str | Path, data: bytes) -> bool:
    """Write `data` to `path` in one step unless there is a file, and return whether it was written.

    Of several processes that try at once, one succeeds, except on file systems without links, such as FAT.

    Raises:
        OSError: the folder does not exist or cannot be written, or the disk is full.
    """
    path = Path(path)
    new = _new_file(path)
    try:
        new.write_bytes(data)
        try:
            os.link(new, path)
        except FileExistsError:
            return False
        except OSError:  # no links here
            if path.exists():
                return False
            new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    return True


def remove_leftovers(folder: str | Path) -> int:
    """Remove the temporary files in a folder whose process was killed, and return their number.

    A file of a process that runs is kept. Whether a process on another machine or in another container runs
    is not known; its files are leftovers after a day without change.
    """
    removed = 0
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = _TEMPORARY.fullmatch(entry.name)
            if match is not None and _is_leftover(entry, match[1], int(match[2])):
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)  # noqa: PTH108, an entry is no Path
                    removed += 1
    return removed


def _is_leftover(entry: os.DirEntry[str], machine: str, process: int) -> bool:
    try:
        if time.time() - entry.stat(follow_symlinks=False).st_mtime > _STALE_S:
            return True
    except OSError:
        return False  # it has its name by now
    return machine == _machine() and not _runs(process)


def _runs(process: int) -> bool:
    """Whether a process runs; on Windows, where asking could end it, always."""
    if sys.platform == "win32":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


@functools.cache
def _machine() -> str:
    """Eight digits for the set of processes among which a process number is unique."""
    names = [os.environ.get("COMPUTERNAME", "") if sys.platform == "win32" else os.uname().nodename]
    with contextlib.suppress(OSError):  # Linux: a boot, and a container
        names.append(Path("/proc/sys/kernel/random/boot_id").read_text())
        names.append(os.readlink("/proc/self/ns/pid"))  # noqa: PTH115, the link points to no path
    return f"{zlib.crc32(chr(10).join(names).encode()):08x}"
