"""Open what videos come from: files, pipes, standard input, URLs and file objects.

Everything that can keep silent (pipes, networks) is given up after a while, and Ctrl-C ends the wait.
"""

from __future__ import annotations

import errno
import io
import os
import re
import select
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from tddfa.errors import InputError, VideoFileError

if TYPE_CHECKING:
    from av.container import InputContainer

T = TypeVar("T")

# How long a network may keep silent, s: cameras and servers answer within 1 s, busy ones within a few.
NETWORK_TIMEOUT_S = 10.0
# How long a pipe may keep silent, s: the program before it may have to start, or to seek.
PIPE_TIMEOUT_S = 30.0

CUT_OFF = "is cut off or damaged"
"""Why the rest of a source cannot be read, to complete "NAME …"."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_STDIN = ("-", "pipe:", "pipe:0", "/dev/stdin")
_POLL_S = 0.1
# Protocols that FFmpeg opens although they are no videos of their own: they name other files or programs.
_REFUSED = frozenset({"concat", "subfile", "crypto", "cache", "async", "tee", "fd", "pipe", "unix", "data"})
# A server that drops the connection is asked for the rest, for up to 5 s.
_HTTP_OPTIONS = {
    "reconnect": "1",
    "reconnect_streamed": "1",
    "reconnect_on_network_error": "1",
    "reconnect_delay_max": "5",
}


@runtime_checkable
class Readable(Protocol):
    """A binary file object, as far as it is needed."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes."""
        ...


class VideoSource:
    """A place that a video comes from.

    Args:
        place: a path, "-" for standard input, a URL, or a binary file object.
        timeout_s: how long it may keep silent; None for 10 s (networks) and 30 s (pipes).

    Attributes:
        name: for messages.
        path: of a regular file; None for anything else.
        repeatable: whether it can be opened again from its start.

    Raises:
        InputError: `place` is none of these.
        VideoFileError: it is a folder, or is not there.
    """

    def __init__(self, place: Any, timeout_s: float | None = None) -> None:
        self.path: Path | None = None
        self.repeatable = True
        self._timeout_s = timeout_s
        self._patience_s = NETWORK_TIMEOUT_S
        self._open: Callable[[dict[str, str]], InputContainer]
        if isinstance(place, io.TextIOBase):
            raise InputError('a video is read from a binary file; open it with open(path, "rb")')
        if hasattr(place, "read"):
            self.name = str(getattr(place, "name", "the file object"))
            self.repeatable = _seekable(place)
            self._open = lambda options: self._open_object(place, options)
            return
        try:
            text = os.fspath(place)
        except TypeError:
            raise InputError(
                f"a video is given by a path, a URL, '-' or a file object, not by {type(place).__name__}"
            ) from None
        if isinstance(text, bytes):
            text = os.fsdecode(text)
        self.name = text
        if text in _STDIN:
            self._use_stdin()
        elif _URL.match(text) and not text.lower().startswith("file://"):
            self._use_url(text)
        else:
            self._use_path(Path(text[7:] if text.lower().startswith("file://") else text))

    def open(self, options: dict[str, str] | None = None) -> InputContainer:
        """Open it with FFmpeg.

        Args:
            options: of the container.

        Raises:
            VideoFileError: it cannot be opened, is no video, or kept silent for too long.
        """
        from av.error import FFmpegError

        try:
            return self._open(options or {})
        except (FFmpegError, OSError, ValueError) as error:
            raise VideoFileError(self._explained(error)) from None

    def failure(self, error: BaseException) -> str:
        """Return what an error while reading means, to complete "NAME …"."""
        if type(error).__name__ in ("ExitError", "TimeoutError") or isinstance(error, TimeoutError):
            return f"gave no data for {self._patience_s:g} s"
        if type(error).__name__ == "InvalidDataError":
            return CUT_OFF
        return str(getattr(error, "strerror", None) or error or type(error).__name__).splitlines()[0]

    def _use_stdin(self) -> None:
        self.name = "standard input"
        self.repeatable = False
        if sys.stdin is None or sys.stdin.closed:
            raise VideoFileError("there is no standard input to read a video from")
        if sys.stdin.isatty():
            raise VideoFileError("standard input is a terminal; pipe a video into it, or give a file")
        descriptor = sys.stdin.fileno()
        if stat.S_ISREG(os.fstat(descriptor).st_mode):  # tddfa video - < clip.mp4
            self._open = lambda options: open_container(os.fdopen(os.dup(descriptor), "rb"), options=options)
        else:
            self._open = lambda options: self._open_pipe(descriptor, options)

    def _use_url(self, url: str) -> None:
        scheme = url.partition(":")[0].lower()
        if scheme in _REFUSED:
            raise VideoFileError(
                f"{url}: the protocol {scheme!r} is not read; give a file or a network address"
            )
        settings = dict(_HTTP_OPTIONS) if scheme in ("http", "https") else {}
        if scheme == "rtsp":
            settings["rtsp_transport"] = "tcp"  # over UDP, lost packets are torn images
        patience = self._patience_s = self._timeout_s or NETWORK_TIMEOUT_S

        def connect(options: dict[str, str]) -> InputContainer:
            return interruptible(
                lambda: open_container(url, options={**settings, **options}, timeout=(patience, patience))
            )

        self._open = connect

    def _use_path(self, path: Path) -> None:
        self.path = path
        self.name = str(path)
        try:
            mode = path.stat().st_mode
        except (FileNotFoundError, NotADirectoryError, ValueError):
            raise VideoFileError(f"no such file: {path}") from None
        except OSError as error:
            raise VideoFileError(f"cannot read {path}: {error.strerror}") from None
        if stat.S_ISDIR(mode):
            raise VideoFileError(f"{path} is a folder, not a video")
        if stat.S_ISREG(mode):
            # With the protocol: a name with a colon (12:30.mp4) would be taken for an address.
            self._open = lambda options: open_container(f"file:{path}", options=options)
        elif stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or str(path).startswith("/dev/fd/"):
            self.path, self.repeatable = None, False
            self._open = lambda options: self._open_pipe(_open_fifo(path), options)
        else:
            raise VideoFileError(
                f"{path} is a device, not a video; cameras are read by 'tddfa live --camera'"
            )

    def _open_pipe(self, descriptor: int, options: dict[str, str]) -> InputContainer:
        self._patience_s = self._timeout_s or PIPE_TIMEOUT_S
        return open_container(_Pipe(descriptor, self._patience_s), options=options)

    def _open_object(self, file: Any, options: dict[str, str]) -> InputContainer:
        if self.repeatable:
            file.seek(0)
            return open_container(file, options=options)
        return open_container(_ReadOnly(file), options=options)

    def _explained(self, error: BaseException) -> str:
        from av.error import FFmpegError

        kind, name = type(error).__name__, self.name
        if kind == "InvalidDataError" or isinstance(error, EOFError):
            empty = self.path is not None and self.path.is_file() and self.path.stat().st_size == 0
            return f"{name} is empty (0 bytes)" if empty else f"{name} is no video, or is cut off or damaged"
        if self.path is not None and getattr(error, "errno", None) in (errno.EIO, errno.EPERM):
            # Of a demuxer, not of the disk: a header that ends too soon, a list of files that is refused.
            return f"{name} is no video, or is cut off or damaged"
        if kind in ("ExitError", "TimeoutError") or isinstance(error, TimeoutError):
            return f"{name} gave no data for {self._patience_s:g} s"
        if kind == "ProtocolNotFoundError":
            scheme = name.partition(":")[0]
            return f"{name}: the protocol {scheme!r} is unknown; use http, https, rtsp, rtmp or a file"
        if self.path is None and kind == "OSError" and isinstance(error, FFmpegError):
            return f"cannot reach {name}: check the address and the network"
        return f"cannot read {name}: {self.failure(error)}"


def interruptible(function: Callable[[], T]) -> T:
    """Return what a blocking function returns; Ctrl-C ends the wait for it.

    The function runs in a thread: a call into FFmpeg lets no signal through. After Ctrl-C it goes on there
    until its own timeout.
    """
    result: list[T] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            result.append(function())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=work, name="tddfa-open", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_POLL_S)
    if failure:
        raise failure[0]
    return result[0]


class _Pipe:
    """A pipe as a file object that FFmpeg reads; silence for too long is an error."""

    def __init__(self, descriptor: int, timeout_s: float) -> None:
        self._descriptor = descriptor
        self._timeout_s = timeout_s
        self._patience_s = NETWORK_TIMEOUT_S
        self.name = "pipe"

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes as soon as there are some; b"" at the end."""
        waited = 0.0
        # Windows has no such wait for pipes.
        while os.name != "nt" and not select.select([self._descriptor], [], [], _POLL_S)[0]:
            waited += _POLL_S
            if waited >= self._timeout_s:
                raise TimeoutError
        return os.read(self._descriptor, size)

    def close(self) -> None:
        """Let the pipe go."""
        os.close(self._descriptor)


class _ReadOnly:
    """A file object without its `seek`, which would fail."""

    def __init__(self, file: Any) -> None:
        self.read = file.read
        self.name = str(getattr(file, "name", "file object"))


def _open_fifo(path: Path) -> int:
    # A plain open waits for a writer without an end. This one does not, and the first read has a timeout.
    return os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))


def open_container(file: Any, **settings: Any) -> InputContainer:
    """Open a file, a device or an address with PyAV, with titles and comments in any encoding.

    Args:
        file: what `av.open` takes.
        settings: other arguments of `av.open`.
    """
    import av

    # Nothing here reads titles and comments. PyAV 19 takes any encoding by itself, and no such argument.
    if int(av.__version__.partition(".")[0]) < 19:
        settings["metadata_errors"] = "replace"
    container: Any = av.open(file, mode="r", **settings)
    return container


def _seekable(file: Any) -> bool:
    try:
        return bool(file.seekable())
    except (AttributeError, OSError, ValueError):
        return False
