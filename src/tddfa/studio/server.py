"""Run a studio: the socket, uvicorn, and the browser."""

from __future__ import annotations

import errno
import socket
import threading
import webbrowser
from collections.abc import Callable
from urllib.parse import quote

from tddfa.errors import InputError, require_extra
from tddfa.studio.settings import StudioSettings

_MAX_CONNECTIONS = 256
_MAX_HEADER_BYTES = 32 << 10


def serve(
    settings: StudioSettings,
    port: int | None = None,
    *,
    browser: bool = True,
    on_ready: Callable[[str], object] = lambda url: None,
) -> None:
    """Serve until Ctrl-C or SIGTERM.

    Args:
        settings: how the studio runs.
        port: port to listen on; 8470, or a free one where that is taken, when not given.
        browser: whether to open the page.
        on_ready: called with the address of the page.

    Raises:
        InputError: the address cannot be listened on.
        MissingExtraError: the extra `studio` is not installed.
    """
    try:
        import uvicorn
        import websockets as _websockets

        from tddfa.studio.app import make_app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("starlette", "uvicorn", "websockets", "anyio"):
            raise
        raise require_extra("the studio", "studio", error.name or "starlette") from None
    del _websockets

    listening = _listen(settings.host, port)
    app = make_app(settings)
    url = page_url(settings, listening.getsockname()[1])
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=3,
        limit_concurrency=_MAX_CONNECTIONS,
        h11_max_incomplete_event_size=_MAX_HEADER_BYTES,
        ws_max_size=settings.limits.frame_bytes,
        ws_max_queue=4,
        ws_ping_interval=20,
        ws_per_message_deflate=False,
    )
    server = uvicorn.Server(config)
    on_ready(url)
    if browser:
        threading.Timer(0.5, webbrowser.open, (url,)).start()
    with listening:
        server.run(sockets=[listening])


DEFAULT_PORT = 8470


def page_url(settings: StudioSettings, port: int) -> str:
    """Return the address of the page, with the token where there is one."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::", "") else settings.host
    host = f"[{host}]" if ":" in host else host
    query = "" if settings.token is None else f"?token={quote(settings.token, safe='')}"
    return f"http://{host}:{port}/{query}"


def _listen(host: str, port: int | None) -> socket.socket:
    wanted = DEFAULT_PORT if port is None else port
    try:
        return _bound(host, wanted)
    except OSError as error:
        if error.errno == errno.EADDRINUSE and port is None:
            return _bound(host, 0)
        advice = "another program listens there; choose another --port"
        if error.errno != errno.EADDRINUSE:
            advice = "--host has to be an address of this computer, and --port above 1023"
        raise InputError(f"cannot listen on {host}:{wanted}: {error.strerror or error}; {advice}") from None


def _bound(host: str, port: int) -> socket.socket:
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    return socket.create_server((host, port), family=family, backlog=128)
