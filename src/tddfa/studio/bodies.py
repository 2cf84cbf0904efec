"""Request bodies that may be large, slow, or end in the middle."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from starlette.requests import Request

from tddfa.studio.problems import RequestError
from tddfa.studio.settings import Limits


async def image_body(request: Request, limits: Limits, name: str = "the body") -> bytes:
    """Return the body of a request that carries an image file.

    Args:
        request: the request.
        limits: give its size and the time that it may take.
        name: what messages call it.

    Raises:
        RequestError: it is a form, is empty, is too large, or comes too slowly.
    """
    parts = [part async for part in body_parts(request, limits.image_bytes, limits, limits.upload_s, name)]
    data = b"".join(parts)
    if not data:
        raise RequestError(400, "the request has no body; send the bytes of an image file as its body")
    return data


async def body_parts(
    request: Request, most: int, limits: Limits, within_s: float = float("inf"), name: str = "the body"
) -> AsyncIterator[bytes]:
    """Yield the body of a request in parts.

    Args:
        request: the request.
        most: largest size of the body, bytes.
        limits: gives the silence between two parts.
        within_s: time that the whole may take, s.
        name: what messages call it.

    Raises:
        RequestError: it is a form, is too large, or comes too slowly.
    """
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        raise RequestError(
            415,
            f"{name} is a form; send the bytes of the file alone, as curl --data-binary @FILE does",
            {"connection": "close"},
        )
    too_large = RequestError(
        413, f"{name} has more than {most >> 20} MiB; send a smaller file", {"connection": "close"}
    )
    told = request.headers.get("content-length", "0")
    if told.isdecimal() and int(told) > most:
        raise too_large
    stream = request.stream().__aiter__()
    size, since = 0, time.monotonic()
    while True:
        try:
            part = await asyncio.wait_for(anext(stream), limits.silence_s)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise _slow(f"nothing came for {limits.silence_s:g} s") from None
        size += len(part)
        if size > most:
            raise too_large
        if time.monotonic() - since > within_s:
            raise _slow(f"{name} took more than {within_s:g} s")
        yield part


def _slow(what: str) -> RequestError:
    return RequestError(408, f"{what}; send the file again", {"connection": "close"})
