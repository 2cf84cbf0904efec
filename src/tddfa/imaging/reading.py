"""The bytes of a file that should be an image: nothing that is waited for without an end."""

from __future__ import annotations

import errno
import os
import select
import stat

from tddfa.errors import ImageFileError
from tddfa.types.arguments import shown

_MAX_FILE_BYTES = 1 << 30  # a file of 2^28 px takes about this when nothing is compressed
_SILENCE_S = 10.0
# Opening a pipe waits for its writer otherwise, and no Ctrl-C ends that.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class ImageMemoryError(ImageFileError, MemoryError):
    """An image for which this machine has no memory now."""


def file_bytes(name: str, *, silence_s: float = _SILENCE_S) -> bytes:
    """Return the content of a file, or of a named pipe until its writer closes it.

    Args:
        name: path.
        silence_s: how long to wait for a pipe that gives nothing, s.

    Raises:
        ImageFileError: it cannot be read, is a folder or a device, or larger than any image.
    """
    try:
        handle = os.open(name, _FLAGS)
        with open(handle, "rb", closefd=True) as file:  # noqa: PTH123  # what is open cannot be exchanged
            about = os.fstat(handle)
            if stat.S_ISDIR(about.st_mode):
                raise IsADirectoryError
            if stat.S_ISFIFO(about.st_mode):
                data = _of_pipe(handle, name, silence_s)
            elif stat.S_ISREG(about.st_mode):
                # Files of /proc are regular and have no size; their content may have no end.
                data = file.read(min(_MAX_FILE_BYTES, about.st_size) + 1)
            else:
                raise ImageFileError(f"{name} is a device, not an image")
    except (FileNotFoundError, NotADirectoryError):
        raise ImageFileError(f"no such file: {name}") from None
    except IsADirectoryError:
        raise ImageFileError(f"{name} is a folder, not an image") from None
    except OSError as error:
        if isinstance(error, ImageFileError):
            raise
        hint = "; for the bytes of a file use tddfa.decode_image" if error.errno == errno.ENAMETOOLONG else ""
        raise ImageFileError(f"cannot read {shortened(name)}: {error.strerror}{hint}") from error
    except ValueError:
        raise ImageFileError(f"no such file: {shown(name)}") from None  # a NUL character in its name
    except MemoryError:
        raise ImageMemoryError(f"not enough memory to read {name}") from None
    if len(data) > _MAX_FILE_BYTES:
        raise ImageFileError(f"{name} is larger than 1 GiB, which no image needs to be")
    return data


def _of_pipe(handle: int, name: str, silence_s: float) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while size <= _MAX_FILE_BYTES:
        if not select.select([handle], [], [], silence_s)[0]:
            raise ImageFileError(f"{name} is a pipe that gave no data for {silence_s:g} s")
        piece = os.read(handle, 1 << 16)
        if not piece:
            break
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)


def shortened(text: str) -> str:
    """Return a text for a message: its beginning, where it is long."""
    return text if len(text) <= 60 else f"{text[:57]}…"
