"""Files of a studio, and parts of them."""

from __future__ import annotations

from starlette.responses import FileResponse
from starlette.types import Message, Receive, Scope, Send

from tddfa.studio.problems import problem_response

_REFUSED = {
    400: "the header Range is no range of bytes; send one such as 'bytes=0-999', or none",
    416: "the file ends before the range begins; 'Content-Range' says how many bytes it has",
}


class StoredFile(FileResponse):
    """A file, or the part of it that a request asks for; other ranges are refused in one line."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        refused: Message | None = None

        async def sent(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and message["status"] in _REFUSED:
                refused = message
            if refused is None:
                await send(message)

        await super().__call__(scope, receive, sent)
        if refused is not None:
            status = refused["status"]
            kept = {name.decode(): value.decode() for name, value in refused["headers"]}
            headers = {name: value for name, value in kept.items() if name.lower() == "content-range"}
            await problem_response(status, _REFUSED[status], headers)(scope, receive, send)
