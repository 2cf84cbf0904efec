"""A WebSocket that browsers, OBS, Godot and TouchDesigner connect to."""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import field
from http import HTTPStatus
from importlib.resources import files
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tddfa.dataclass import dataclass
from tddfa.errors import InputError
from tddfa.export.capture import FaceCapture
from tddfa.export.live_message import float_message, json_message
from tddfa.streams.avatar import Avatar, as_avatar
from tddfa.streams.destinations import Destination, check_destination
from tddfa.streams.frame import TrackedFrame, check_frame, not_open
from tddfa.streams.sinks import websocket_protocol as protocol

_FRESH_S = 0.25  # a message that waits longer for a client that does not keep up is dropped
_HANDSHAKE_S = 5.0
_GOODBYE_S = 0.2  # time for the last bytes of a connection
_MAX_CLIENTS = 32
_SEND_BUFFER = 1 << 16  # bytes that the system keeps for a client: about a second of JSON


class WebSocketSink(contextlib.AbstractContextManager["WebSocketSink"]):
    """Listen on an address, and send each frame to every client that is connected.

    Clients choose by their path: `/` is JSON, `/?landmarks` JSON with landmarks, `/floats` packed numbers.
    Browsers that open the address as a page get a cartoon that follows the first face.
    Clients that are too slow miss frames; the others and the camera do not wait for them. Pages of other
    sites may not connect, unless the destination has `?origin=https://their.site`.

    Args:
        destination: address to listen on, and options: `origin`.
        avatar: which faces are sent, and what is done to their numbers.

    Attributes:
        port: where it listens; that of the destination unless that is 0.

    Raises:
        InputError: an option is unknown, or the origin is none that a browser could have.
    """

    needs_image = False

    def __init__(self, destination: Destination, *, avatar: Avatar | None = None) -> None:
        check_destination(destination, "origin")
        avatar = as_avatar(avatar)
        self._destination = destination
        self._avatar = avatar
        origin = destination.options.get("origin")
        self._origins = [] if origin is None else [protocol.as_origin(origin)]
        self.port = destination.port
        self._server: _Server | None = None

    def __enter__(self) -> WebSocketSink:
        """Begin to listen.

        Raises:
            InputError: the address is in use, or not of this computer.
        """
        self._server = _Server(_listening(self._destination), self._origins)
        self.port = self._server.port
        return self

    def write(self, frame: TrackedFrame) -> None:
        """Send a frame to whoever is connected."""
        check_frame(frame)
        if self._server is None:
            raise not_open(self)
        captures = self._avatar.captures(frame)  # also without clients: calibration and holding go on
        self._server.publish(captures, frame.index, frame.time)

    @property
    def n_clients(self) -> int:
        """Number of clients that are connected."""
        return 0 if self._server is None else self._server.n_clients

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None


def _listening(destination: Destination) -> socket.socket:
    try:
        found = socket.getaddrinfo(destination.host, destination.port, type=socket.SOCK_STREAM)
        family, _, _, _, address = found[0]
        return socket.create_server(address[:2], family=family, backlog=16)
    except (OSError, UnicodeError) as error:
        number = getattr(error, "errno", None)
        told = getattr(error, "strerror", None) or str(error)
        told = told.partition(" (while attempting")[0]  # Python 3.11 names the address once more
        advice = "check the host's name"
        if number == errno.EADDRINUSE:
            advice = "another program listens there; choose another port"
        elif number in (errno.EADDRNOTAVAIL, errno.EACCES):
            advice = "it has to be an address of this computer, and a port above 1023"
        raise InputError(f"cannot listen on {destination}: {told}; {advice}") from None


_Encode = Callable[..., bytes]
_VARIANTS: dict[str, tuple[int, _Encode]] = {
    "json": (protocol.TEXT, lambda *args, **kwargs: json_message(*args, **kwargs).encode()),
    "landmarks": (
        protocol.TEXT,
        lambda *args, **kwargs: json_message(*args, landmarks=True, **kwargs).encode(),
    ),
    "floats": (protocol.BINARY, float_message),
}


@dataclass(slots=True, eq=False)
class _Client:
    """A connection.

    Attributes:
        socket: it.
        since: when it was accepted.
        variant: what it gets; None before the handshake.
        request: bytes of the handshake so far.
        reader: of its frames.
        sending: bytes that the system has not taken yet.
        waiting: what comes after these: bytes, and since when they wait; None for what is never dropped.
        blocked: whether the system took no more bytes at the last attempt.
        last_blocked: when that happened last.
        ends: when the connection is closed even if the client does not close it; None while it is open.
        sent_close: whether everything was sent and the client knows that nothing follows.
    """

    socket: socket.socket
    since: float
    variant: str | None = None
    request: bytearray = field(default_factory=bytearray)
    reader: protocol.FrameReader = field(default_factory=protocol.FrameReader)
    sending: memoryview = field(default_factory=lambda: memoryview(b""))
    waiting: deque[tuple[bytes, float | None]] = field(default_factory=lambda: deque())
    blocked: bool = False
    last_blocked: float = 0.0
    ends: float | None = None
    sent_close: bool = False

    def drop_stale(self) -> None:
        """Drop messages that grew old because the client does not read; a busy computer drops none."""
        now = time.monotonic()
        while self.waiting:
            since = self.waiting[0][1]
            slow = since is not None and (self.blocked or self.last_blocked >= since)
            if since is None or not slow or now - since <= _FRESH_S:
                return
            self.waiting.popleft()


class _Server:
    """One thread that accepts clients, listens to them and sends what is published."""

    def __init__(self, listener: socket.socket, origins: list[str]) -> None:
        self.port: int = listener.getsockname()[1]
        self._origins = origins
        self._listener = listener
        listener.setblocking(False)
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        self._lock = threading.Lock()
        self._clients: dict[socket.socket, _Client] = {}
        self._closing: float | None = None
        self._thread = threading.Thread(target=self._run, name="tddfa-websocket", daemon=True)
        self._thread.start()

    @property
    def n_clients(self) -> int:
        """Number of clients that get messages."""
        with self._lock:
            return sum(
                client.variant is not None and client.ends is None for client in self._clients.values()
            )

    def publish(self, captures: tuple[FaceCapture, ...], frame: int, when: float) -> None:
        """Queue a frame for every client."""
        messages: dict[str, bytes] = {}
        now = time.monotonic()
        with self._lock:
            clients = [c for c in self._clients.values() if c.variant is not None and c.ends is None]
            for variant in {client.variant for client in clients if client.variant}:
                opcode, encode = _VARIANTS[variant]
                messages[variant] = protocol.encode_frame(opcode, encode(captures, frame=frame, time=when))
            for client in clients:
                assert client.variant is not None
                client.drop_stale()
                client.waiting.append((messages[client.variant], now))
        if messages:
            self._wake()

    def close(self) -> None:
        """Say goodbye to every client and end the thread."""
        with self._lock:
            self._closing = time.monotonic() + _GOODBYE_S
        self._wake()
        self._thread.join()
        self._wake_read.close()
        self._wake_write.close()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # a byte that was not read yet wakes as well
            self._wake_write.send(b"\0")

    # What follows runs in the thread.

    def _run(self) -> None:
        try:
            while self._closing is None or (self._clients and time.monotonic() < self._closing):
                for key, events in self._selector.select(self._patience()):
                    self._serve(key.fileobj, events)
                with self._lock:
                    clients = list(self._clients.values())
                for client in clients:
                    self._tend(client)
        finally:
            for client in list(self._clients.values()):
                self._drop(client)
            self._selector.close()
            self._listener.close()

    def _patience(self) -> float | None:
        """Return how long nothing may happen, s: connections are to be closed in time."""
        busy = self._closing is not None or any(
            client.variant is None or client.ends is not None for client in self._clients.values()
        )
        return _GOODBYE_S / 4 if busy else None

    def _serve(self, end: Any, events: int) -> None:
        if end is self._listener:
            self._accept()
        elif end is self._wake_read:
            with contextlib.suppress(BlockingIOError):
                while self._wake_read.recv(4096):
                    pass
        elif (client := self._clients.get(end)) is not None and events & selectors.EVENT_READ:
            self._receive(client)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the client has changed its mind
            end, _ = self._listener.accept()
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
            client = _Client(end, time.monotonic())
            self._selector.register(end, selectors.EVENT_READ)
            with self._lock:
                self._clients[end] = client
                crowded = len(self._clients) > _MAX_CLIENTS
            if crowded or self._closing is not None:
                full = protocol.HandshakeError(HTTPStatus.SERVICE_UNAVAILABLE, "too many clients")
                self._end(client, full.response())

    def _receive(self, client: _Client) -> None:
        try:
            data = client.socket.recv(1 << 14)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(client)
        elif client.ends is None:
            try:
                if client.variant is None:
                    data = self._handshake(client, data)
                for opcode, payload in client.reader.feed(data) if client.variant else ():
                    self._hear(client, opcode, payload)
            except protocol.HandshakeError as error:
                self._end(client, error.response())
            except protocol.FrameError as error:
                self._end(client, protocol.close_frame(error.code, str(error)))

    def _handshake(self, client: _Client, data: bytes) -> bytes:
        """Take bytes of a handshake; return those behind it."""
        client.request += data
        head, end, rest = bytes(client.request).partition(b"\r\n\r\n")
        if not end:
            if len(client.request) > protocol.MAX_REQUEST:
                raise protocol.HandshakeError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "too long")
            return b""
        request = protocol.Request.parse(head)
        variant = _variant(request.target)
        if not request.is_upgrade:
            self._end(client, protocol.http_response(HTTPStatus.OK, _page(), "text/html"))
            return b""
        request.check_handshake()
        request.check_origin(self._origins)
        with self._lock:
            client.waiting.append((request.response(), None))
            client.variant = variant
        return rest

    def _hear(self, client: _Client, opcode: int, payload: bytes) -> None:
        if opcode == protocol.PING:
            with self._lock:
                client.waiting.append((protocol.encode_frame(protocol.PONG, payload), None))
        elif opcode == protocol.CLOSE:
            self._end(client, protocol.encode_frame(protocol.CLOSE, payload[:2]))

    def _tend(self, client: _Client) -> None:
        """Send what a client waits for, and close a connection whose time has come."""
        now = time.monotonic()
        if client.variant is None and client.ends is None and now - client.since > _HANDSHAKE_S:
            self._drop(client)
            return
        if self._closing is not None and client.ends is None:
            self._end(client, protocol.close_frame(protocol.GOING_AWAY, "tddfa ends"), keep=True)
        try:
            for data in self._due(client):
                client.sending = client.sending[client.socket.send(data) :]
                client.blocked = False
        except BlockingIOError:
            client.blocked, client.last_blocked = True, now
        except OSError:
            self._drop(client)
            return
        left = bool(client.sending or client.waiting)
        if client.ends is not None:
            if now > client.ends:
                self._drop(client)
                return
            if not left and not client.sent_close:
                # Closing with bytes unread would reset the connection, and the client lose the last ones.
                client.sent_close = True
                with contextlib.suppress(OSError):
                    client.socket.shutdown(socket.SHUT_WR)
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if left else 0)
        self._selector.modify(client.socket, events)

    def _due(self, client: _Client) -> Iterator[memoryview]:
        """Yield what is to be sent next, until nothing is left."""
        while True:
            if not client.sending:
                with self._lock:
                    client.drop_stale()
                    if not client.waiting:
                        return
                    client.sending = memoryview(client.waiting.popleft()[0])
            yield client.sending

    def _end(self, client: _Client, last: bytes, *, keep: bool = False) -> None:
        """Close a connection after some last bytes, and with `keep` after what waits to be sent."""
        with self._lock:
            if not keep:
                client.waiting.clear()
            client.waiting.append((last, None))
            client.ends = time.monotonic() + _GOODBYE_S

    def _drop(self, client: _Client) -> None:
        with self._lock:
            if self._clients.pop(client.socket, None) is None:
                return
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(client.socket)
        client.socket.close()


def _page() -> bytes:
    """Return the page that shows the first face as a cartoon."""
    return (files("tddfa.streams.sinks") / "websocket_page.html").read_bytes()


def _variant(target: str) -> str:
    """Return what a client gets that asks for a path.

    Raises:
        HandshakeError: there is no such path.
    """
    parts = urlsplit(target)
    if parts.path == "/floats":
        return "floats"
    if parts.path != "/":
        raise protocol.HandshakeError(HTTPStatus.NOT_FOUND, "there are / and /floats")
    return "landmarks" if "landmarks" in parse_qs(parts.query, keep_blank_values=True) else "json"
