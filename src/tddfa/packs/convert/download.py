"""Files from the web: retried, resumed, and bounded in size and time."""

from __future__ import annotations

import http.client
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from tddfa.dataclass import dataclass
from tddfa.errors import PackError

_CHUNK = 1 << 18
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same request may succeed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When a download is given up.

    Attributes:
        attempts: how often it is tried; each goes on where the last one broke off.
        pause_s: between the first two attempts; doubled from then on.
        silence_s: longest time without a byte.
        window_s: in each period of this length …
        least: … at least so many bytes have to arrive.
        total_s: longest time for one file.
        largest: bytes of a file.
    """

    attempts: int = 4
    pause_s: float = 1.0
    silence_s: float = 30.0
    window_s: float = 60.0
    least: int = 1 << 16
    total_s: float = 7200.0
    largest: int = 1 << 30


class _RetryError(Exception):
    """An attempt that failed in a way in which the next may not."""


def download(
    url: str, target: Path, progress: Callable[[int, int], None] | None = None, limits: Limits | None = None
) -> None:
    """Write the content of a URL to a file.

    Args:
        url: http or https.
        target: of the content; overwritten.
        progress: called with how many bytes are there, and how many there will be (0: unknown).
        limits: when it is given up.

    Raises:
        PackError: it cannot be had, breaks off each time, is too large or too slow.
        OSError: the file cannot be written.
    """
    limits = limits or Limits()
    last = ""
    end = time.monotonic() + limits.total_s
    with target.open("wb") as file:
        for attempt in range(limits.attempts):
            if attempt:
                time.sleep(limits.pause_s * 2 ** (attempt - 1))
            try:
                return _attempt(url, file, progress, limits, end)
            except _RetryError as error:
                last = str(error)
    raise PackError(f"cannot download {public(url)}: {last}, {limits.attempts} times")


def public(url: str) -> str:
    """Return a URL as it may be shown and recorded: without a name and password, in printable characters."""
    head, slashes, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    shown = f"{head}{slashes}{host.rpartition('@')[2]}{slash}{path}"
    return "".join(c if c.isprintable() else "?" for c in shown)


def _attempt(
    url: str,
    file: BinaryIO,
    progress: Callable[[int, int], None] | None,
    limits: Limits,
    end: float,
) -> None:
    """Fetch what is not yet in the file."""
    done = file.tell()
    with _answer(url, done, limits) as answer:
        if answer.status != http.client.PARTIAL_CONTENT:
            done = file.seek(0)
            file.truncate()
        total = _total(answer, done)
        if total > limits.largest:
            raise _too_large(url, limits)
        window_end, window_start = time.monotonic() + limits.window_s, done
        while chunk := _chunk(answer):
            file.write(chunk)
            done += len(chunk)
            if done > limits.largest:
                raise _too_large(url, limits)
            if progress is not None:
                progress(done, total)
            now = time.monotonic()
            if now > end:
                raise PackError(
                    f"the download of {public(url)} takes more than {limits.total_s:.0f} s; "
                    f"{done} bytes have arrived"
                )
            if now > window_end:
                if done - window_start < limits.least:
                    raise _RetryError(f"only {done - window_start} bytes arrive in {limits.window_s:.0f} s")
                window_end, window_start = now + limits.window_s, done
    if total and done != total:
        raise _RetryError(f"it breaks off after {done} of {total} bytes")


def _answer(url: str, done: int, limits: Limits) -> http.client.HTTPResponse:
    headers = {"User-Agent": "tddfa", "Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
    try:
        request = urllib.request.Request(url, headers=headers)
        return _opener().open(request, timeout=limits.silence_s)
    except urllib.error.HTTPError as error:
        if done and error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            return _answer(url, 0, limits)
        message = f"the server answers {error.code} {_line(error.reason)}".rstrip()
        if error.code in _TRANSIENT:
            raise _RetryError(message) from None
        raise PackError(f"cannot download {public(url)}: {message}") from None
    except http.client.InvalidURL:
        raise PackError(f"cannot download {public(url)}: this is no URL") from None
    except (OSError, http.client.HTTPException) as error:
        nobody = isinstance(getattr(error, "reason", error), ConnectionRefusedError | socket.gaierror)
        if nobody and not done:
            raise PackError(f"cannot download {public(url)}: {_reason(error)}") from None
        raise _RetryError(_reason(error)) from None
    except ValueError as error:
        raise PackError(f"cannot download {public(url)}: {_line(error)}") from None


def _opener() -> urllib.request.OpenerDirector:
    # No files, FTP or data URLs, to which a server could send us.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    return opener


def _chunk(answer: http.client.HTTPResponse) -> bytes:
    try:
        return answer.read1(_CHUNK)  # what is there, not a full chunk: a slow server is noticed
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _RetryError(_reason(error)) from None


def _total(answer: http.client.HTTPResponse, done: int) -> int:
    """Return the size of the whole file; 0 where the server does not say."""
    length = answer.headers.get("Content-Length") or ""
    return done + int(length) if length.isascii() and length.isdigit() and len(length) < 20 else 0


def _too_large(url: str, limits: Limits) -> PackError:
    return PackError(f"{public(url)} is larger than {limits.largest} bytes; is the URL right?")


def _reason(error: BaseException) -> str:
    inner = getattr(error, "reason", None)
    if isinstance(inner, BaseException):
        return _reason(inner)
    if isinstance(error, TimeoutError):
        return "the server is silent"
    if isinstance(error, http.client.IncompleteRead):
        return "it breaks off"
    text = getattr(error, "strerror", None) or _line(inner or error)
    return text if isinstance(error, OSError) and text else f"the answer is no HTTP ({type(error).__name__})"


def _line(text: object) -> str:
    """Return the text of a server or a library on one short printable line."""
    line = " ".join(str(text).split())
    return "".join(c if c.isprintable() else "?" for c in line)[:200]
