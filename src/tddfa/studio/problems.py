"""Errors of requests: a status and one plain line."""

from __future__ import annotations

import html
import logging

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from tddfa.errors import ImageFileError, MissingExtraError, PackError, TddfaError

_log = logging.getLogger(__name__)


class RequestError(Exception):
    """A request that is refused.

    Args:
        status: HTTP status.
        text: what was given, what is possible, what to do.
        headers: further headers of the response.
    """

    def __init__(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.status, self.headers = status, headers


def refusal(request: Request, error: Exception) -> Response:
    """Return the response for an error that a request ended with."""
    if isinstance(error, RequestError):
        return problem_response(error.status, str(error), error.headers)
    if isinstance(error, ClientDisconnect):
        return problem_response(400, "the connection was cut before the request was complete")
    if isinstance(error, MemoryError):
        return problem_response(413, "there is not enough memory for this; send a smaller image")
    if isinstance(error, (PackError, MissingExtraError)):
        return problem_response(503, str(error))
    if isinstance(error, ImageFileError):
        return problem_response(415, str(error))
    if isinstance(error, TddfaError):
        return problem_response(422, str(error))
    _log.error("unexpected %s for %s", type(error).__name__, request.url.path, exc_info=error)
    return problem_response(500, "something unexpected went wrong; the log of 'tddfa studio' says where")


def problem_response(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    """Return a response that says in one line what is wrong: `{"error": "…"}`."""
    return JSONResponse({"error": " ".join(text.split())}, status, headers)


def problem_page(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    """Return the same as a page, for a person who has opened an address."""
    line = html.escape(f"{text[:1].upper()}{text[1:]}.")
    page = f"<!doctype html><html lang=en><meta charset=utf-8><title>tddfa studio</title><p>{line}</p></html>"
    return HTMLResponse(page, status, headers)


def http_problem(request: Request, error: Exception) -> Response:
    """Return the response for a path or a method that is not there."""
    status: int = getattr(error, "status_code", 400)
    words = {
        404: f"there is no {request.url.path[:200]}; see /api/openapi.json",
        405: f"{request.url.path[:200]} does not take {request.method[:20]}; see /api/openapi.json",
    }
    text = words.get(status, str(getattr(error, "detail", "the request cannot be used")))
    return problem_response(status, text, dict(getattr(error, "headers", None) or {}))
