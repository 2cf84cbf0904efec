"""Run a studio: the socket, uvicorn, and the browser."""

from __future__ import annotations

import errno
import socket
import threading
import webbrowser
from collections.abc import Callable
from urllib.parse import quote

from tddfa.errors import InputError, require_extra
from tddfa.studio.settings import StudioSettings, is_loopback

_MAX_CONNECTIONS = 256
_MAX_HEADER_BYTES = 32 << 10


def serve(
    settings: StudioSettings,
    port: int | None = None,
    *,
    browser: bool = True,
    on_ready: Callable[[str], object] = lambda url: None,
    on_network: Callable[[str], object] = lambda url: None,
) -> None:
    """Serve until Ctrl-C or SIGTERM.

    Args:
        settings: how the studio runs.
        port: port to listen on; 8470, or a free one where that is taken, when not given.
        browser: whether to open the page.
        on_ready: called with the address of the page, for this computer.
        on_network: called after it with the address for others, such as phones, where the studio listens on
            all addresses and one of the network is known.

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
    listened = listening.getsockname()[1]
    url, network_url = page_url(settings, listened), network_page_url(settings, listened)
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
    if network_url is not None:
        on_network(network_url)
    if browser:
        threading.Timer(0.5, webbrowser.open, (url,)).start()
    with listening:
        server.run(sockets=[listening])


DEFAULT_PORT = 8470
_ALL_ADDRESSES = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}  # and how this computer reaches them


def page_url(settings: StudioSettings, port: int) -> str:
    """Return the address of the page for this computer, with the token where there is one."""
    return _url(settings, _ALL_ADDRESSES.get(settings.host, settings.host), port)


def network_page_url(settings: StudioSettings, port: int) -> str | None:
    """Return the address of the page for other computers, where the studio listens on all addresses.

    Returns:
        None where it listens on one alone, which `page_url` has, or where this computer has no network.
    """
    if settings.host not in _ALL_ADDRESSES:
        return None
    family, elsewhere = (
        (socket.AF_INET6, "2001:db8::1") if settings.host == "::" else (socket.AF_INET, "192.0.2.1")
    )
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((elsewhere, 9))  # sends nothing, and has the system choose the address
            own = str(probe.getsockname()[0])
    except OSError:
        return None
    return None if is_loopback(own) else _url(settings, own, port)


def _url(settings: StudioSettings, host: str, port: int) -> str:
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
