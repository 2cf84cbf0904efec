"""Request bodies that may be large, slow, or end in the middle."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from tddfa.studio.problems import RequestError
from tddfa.studio.settings import Limits

_LINGER_S = 30.0  # time for which the rest of a body is read after the response
_LINGER_SILENCE_S = 5.0  # silence after which no rest is expected


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


def lingering(scope: Scope, receive: Receive, send: Send) -> tuple[Receive, Send]:
    """Return `receive` and `send` that read and drop the rest of a body before the response ends.

    A connection that is closed with unread bytes is reset, and most HTTP libraries send a body to its end
    before they read the response: a refusal that comes early would be lost.
    """
    headers = Headers(scope=scope)
    if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
        return receive, send
    has_ended = False

    async def received() -> Message:
        nonlocal has_ended
        message = await receive()
        has_ended = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def sent(message: Message) -> None:
        if message["type"] != "http.response.body" or message.get("more_body", False) or has_ended:
            await send(message)
            return
        await send({**message, "more_body": True})
        with contextlib.suppress(TimeoutError):
            until = time.monotonic() + _LINGER_S
            while not has_ended and time.monotonic() < until:
                await asyncio.wait_for(received(), _LINGER_SILENCE_S)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    return received, sent
