"""The server's side of the WebSocket protocol: handshake and frames as functions of bytes.

Written by hand, since it is small: a server that sends and hardly listens needs no extensions, no TLS and no
dependency.

Source: RFC 6455.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import struct
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from urllib.parse import urlsplit

from tddfa.dataclass import dataclass
from tddfa.errors import InputError

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA

GOING_AWAY, PROTOCOL_ERROR, TOO_BIG = 1001, 1002, 1009

MAX_REQUEST = 8192
"""Bytes that a handshake may have."""

MAX_PAYLOAD = 4096
"""Bytes that a frame of a client may have: clients have nothing to say but ping and close."""

_ACCEPT = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src ws:"
_USUAL_PORTS = {"http": 80, "https": 443}
_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
# Files in a browser source of OBS. Other browsers say "null" for files, and for pages of any site in a
# sandbox: these are not let in.
_FILE_ORIGINS = frozenset({"file://", "http://absolute", "https://absolute"})


class HandshakeError(Exception):
    """A request that is answered with an HTTP status instead of a WebSocket.

    Attributes:
        status: of the answer.
    """

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status

    def response(self) -> bytes:
        """Return the answer."""
        return http_response(self.status, f"{self}\n".encode(), "text/plain")


def as_origin(text: str) -> str:
    """Return an origin as browsers spell it: `https://my.site`, without a path, and without a usual port.

    Args:
        text: an origin, a URL of the site, `null` for pages without one, or `*` for all.

    Raises:
        InputError: no browser has such an origin.
    """
    if text in ("*", "null") or text in _FILE_ORIGINS:
        return text
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if not parts.scheme or not host or parts.username is not None:
        raise InputError(f"origin={text} is no origin of a page; write https://my.site, null or *")
    host = f"[{host}]" if ":" in host else host
    shown_port = "" if port in (None, _USUAL_PORTS.get(parts.scheme)) else f":{port}"
    return f"{parts.scheme}://{host}{shown_port}"


def http_response(status: HTTPStatus, body: bytes, kind: str) -> bytes:
    """Return an answer of HTTP after which the connection is closed."""
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {kind}; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nContent-Security-Policy: {_POLICY}\r\n"
        "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


class FrameError(Exception):
    """A frame that ends the connection.

    Attributes:
        code: why, as the close frame says it.
    """

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Request:
    """A request of HTTP, such as an opening handshake.

    Attributes:
        target: path and query.
        headers: by name in lower case.
    """

    target: str
    headers: Mapping[str, str]

    @classmethod
    def parse(cls, data: bytes) -> Request:
        """Return a request.

        Args:
            data: up to and without the empty line.

        Raises:
            HandshakeError: it is no request for reading.
        """
        try:
            first, *lines = data.decode("ascii").split("\r\n")
            method, target, version = first.split(" ")
            pairs = [line.split(":", 1) for line in lines]
            headers = {name.strip().lower(): value.strip() for name, value in pairs}
        except ValueError:
            raise HandshakeError(HTTPStatus.BAD_REQUEST, "no HTTP request") from None
        if method != "GET" or not version.startswith("HTTP/1."):
            raise HandshakeError(HTTPStatus.METHOD_NOT_ALLOWED, "only GET over HTTP/1.1")
        return cls(target, headers)

    @property
    def is_upgrade(self) -> bool:
        """Whether the client asks for a WebSocket."""
        return self.headers.get("upgrade", "").lower() == "websocket"

    def check_handshake(self) -> None:
        """Raise an error for a handshake that is not that of the RFC.

        Raises:
            HandshakeError: version or key are not right.
        """
        tokens = {token.strip().lower() for token in self.headers.get("connection", "").split(",")}
        if "upgrade" not in tokens or self.headers.get("sec-websocket-version") != "13":
            raise HandshakeError(HTTPStatus.BAD_REQUEST, "only WebSocket version 13")
        try:
            key = base64.b64decode(self.headers.get("sec-websocket-key", ""), validate=True)
        except binascii.Error:
            key = b""
        if len(key) != 16:
            raise HandshakeError(HTTPStatus.BAD_REQUEST, "Sec-WebSocket-Key is not 16 bytes")

    def check_origin(self, allowed: Sequence[str]) -> None:
        """Raise an error for pages of other sites, which could read the faces of whoever visits them.

        Programs and pages of this computer may connect.

        Args:
            allowed: further origins; "*" for all.

        Raises:
            HandshakeError: the page comes from elsewhere.
        """
        origin = self.headers.get("origin")
        if origin is None or origin in _FILE_ORIGINS or origin in allowed or "*" in allowed:
            return
        if not self._is_local(origin):
            raise HandshakeError(
                HTTPStatus.FORBIDDEN, f"pages of {origin} may not connect; allow them with ?origin={origin}"
            )

    def _is_local(self, origin: str) -> bool:
        """Whether a page comes from this computer, or from the address that it connects to."""
        try:
            parts = urlsplit(origin)
            if parts.hostname in _LOCAL_HOSTS:
                return True
            ipaddress.ip_address(parts.hostname or "")  # a name could have been bound to this address since
        except ValueError:
            return False
        return parts.netloc == self.headers.get("host")

    def response(self) -> bytes:
        """Return the answer that opens the WebSocket."""
        key = self.headers["sec-websocket-key"] + _ACCEPT
        accept = base64.b64encode(hashlib.sha1(key.encode(), usedforsecurity=False).digest()).decode()
        return (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n"
        ).encode()


def encode_frame(opcode: int, payload: bytes = b"") -> bytes:
    """Return a whole message as one frame of a server."""
    first, length = 0x80 | opcode, len(payload)
    if length < 126:
        return struct.pack(">BB", first, length) + payload
    if length < 1 << 16:
        return struct.pack(">BBH", first, 126, length) + payload
    return struct.pack(">BBQ", first, 127, length) + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """Return the frame that ends a connection and says why."""
    return encode_frame(CLOSE, struct.pack(">H", code) + reason.encode())


class FrameReader:
    """Takes the bytes of a client apart into frames."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield opcode and payload of each frame that is complete with these bytes.

        Raises:
            FrameError: a frame breaks the protocol, or is longer than `MAX_PAYLOAD`.
        """
        self._data += data
        while (frame := self._next()) is not None:
            yield frame

    def _next(self) -> tuple[int, bytes] | None:
        data = self._data
        if len(data) < 2:
            return None
        first, second = data[0], data[1]
        if first & 0x70:
            raise FrameError(PROTOCOL_ERROR, "a reserved bit is set")
        if not second & 0x80:
            raise FrameError(PROTOCOL_ERROR, "frames of clients are masked")
        length, at = second & 0x7F, 2
        if first & 0x08 and (length > 125 or not first & 0x80):
            raise FrameError(PROTOCOL_ERROR, "a control frame is short and whole")
        for mark, form in ((126, ">H"), (127, ">Q")):
            if second & 0x7F == mark:
                size = struct.calcsize(form)
                if len(data) < at + size:
                    return None
                (length,) = struct.unpack_from(form, data, at)
                at += size
        if length > MAX_PAYLOAD:
            raise FrameError(TOO_BIG, f"a frame has {length} bytes; {MAX_PAYLOAD} are allowed")
        if len(data) < at + 4 + length:
            return None
        mask = data[at : at + 4]
        payload = bytes(byte ^ mask[k % 4] for k, byte in enumerate(data[at + 4 : at + 4 + length]))
        del data[: at + 4 + length]
        return first & 0x0F, payload
