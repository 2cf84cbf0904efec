"""Who may talk to the server: names of hosts, pages of other sites, the token; and the headers of answers."""

from __future__ import annotations

import hmac
import ipaddress
import socket
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tddfa.studio.bodies import lingering
from tddfa.studio.problems import RequestError, problem_page, problem_response
from tddfa.studio.settings import StudioSettings, is_loopback

COOKIE = "tddfa_studio"
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=(), payment=()",
    "x-frame-options": "DENY",
}


class Guard:
    """An ASGI application that refuses what is not for us, before the application behind it sees it.

    A page of another site that knows our address could use the browser of our user: with the Origin of that
    site, or, after its name has been bound to our address (DNS rebinding), with that name as Host.

    Args:
        app: what answers the requests that are let through.
        settings: the address, further names, the token.
    """

    def __init__(self, app: ASGIApp, settings: StudioSettings) -> None:
        self._app = app
        self._settings = settings
        names = {name.lower().strip("[]") for name in settings.allowed_hosts}
        if settings.is_local:
            names |= _LOOPBACK_NAMES
        else:
            names |= {settings.host.lower().strip("[]"), socket.gethostname().lower(), *_LOOPBACK_NAMES}
        self._names = frozenset(names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if scope["type"] == "http":
            receive, send = lingering(scope, receive, send)
        secured = _with_headers(send, host)
        try:
            self._check_host(host)
            self._check_origin(scope, headers, host)
            self._check_token(scope, headers)
        except RequestError as problem:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008, "reason": str(problem)[:120]})
            else:
                is_visit = scope["path"] == "/" and "text/html" in headers.get("accept", "")
                respond = problem_page if is_visit else problem_response
                await respond(problem.status, str(problem), problem.headers)(scope, receive, secured)
            return
        await self._app(scope, receive, secured)

    def _check_host(self, host: str) -> None:
        name = _host_name(host)
        if name is None or not self._is_ours(name):
            raise RequestError(
                421,
                f"this server is not called {host[:100]!r}; open it under its own address, or start it with "
                "--allow-host NAME",
            )

    def _is_ours(self, name: str) -> bool:
        if name in self._names:
            return True
        if self._settings.is_local:
            return is_loopback(name)
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True  # no name, so none that somebody else could have bound to our address

    def _check_origin(self, scope: Scope, headers: Headers, host: str) -> None:
        origins = headers.getlist("origin")
        for origin in origins:
            if not _is_same(origin, host):
                raise RequestError(403, f"pages of {origin[:100]} may not use this server")
        site = headers.get("sec-fetch-site", "none")
        if not origins and scope["path"].startswith("/api/") and site not in ("none", "same-origin"):
            raise RequestError(403, "pages of other sites may not use this server")

    def _check_token(self, scope: Scope, headers: Headers) -> None:
        token = self._settings.token
        if token is None:
            return
        given = [
            headers.get("authorization", "").removeprefix("Bearer "),
            *parse_qs(scope["query_string"].decode("latin-1")).get("token", []),
            _cookie(headers),
        ]
        if not any(hmac.compare_digest(text.encode(), token.encode()) for text in given):
            raise RequestError(
                401,
                "this needs the token of the server: open the address that 'tddfa studio' printed, or send "
                "'Authorization: Bearer TOKEN'",
                {"www-authenticate": "Bearer"},
            )


def _host_name(host: str) -> str | None:
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return None
    if parts.path or parts.query or parts.fragment or parts.username is not None or not parts.hostname:
        return None
    return parts.hostname.lower().removesuffix(".")


def _is_same(origin: str, host: str) -> bool:
    """Return whether an Origin is that of the Host; the scheme may differ, behind a proxy that does TLS."""
    try:
        parts = urlsplit(origin)
        ours = urlsplit(f"//{host}")
        same_port = (parts.port or _port(parts.scheme)) == (ours.port or _port(parts.scheme))
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.hostname == ours.hostname and same_port


def _port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _with_headers(send: Send, host: str) -> Send:
    """Return a `send` that adds our headers to every response."""
    # Safari takes no ws: address for 'self'.
    sockets = f" ws://{host} wss://{host}" if _host_name(host) else ""
    policy = (
        "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
        f"connect-src 'self' blob:{sockets}; object-src 'none'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )

    async def secured(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("content-security-policy", policy)
            headers.setdefault("cache-control", "no-store")
        await send(message)

    return secured
