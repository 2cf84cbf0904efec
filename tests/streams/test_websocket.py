"""The WebSocket: browsers and programs get every frame, strangers do not, and nobody holds the camera up."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from urllib.parse import quote

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import live_faces
from tddfa.errors import InputError
from tddfa.export.capture import ARKIT_SHAPES, FaceCapture
from tddfa.streams import Avatar, TrackedFrame, WebSocketSink, open_sink
from tddfa.streams.sinks import websocket_protocol as protocol
from tddfa.tracking import TrackedFace
from waiting import PATIENCE_S, wait_until

FACE = live_faces.face(0)
CAPTURES = (live_faces.hand_made(),)
HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
)


def frame(index: int) -> TrackedFrame:
    return TrackedFrame(index, index / 30, None, (TrackedFace(2, FACE, 0.75, index, "tracked"),))


class Canned(Avatar):
    """Sends one capture, always: building faces is not what is tested."""

    def captures(self, frame: TrackedFrame) -> tuple[FaceCapture, ...]:
        return CAPTURES


@pytest.fixture
def sink() -> Iterator[WebSocketSink]:
    with open_sink("ws://127.0.0.1:0", avatar=Canned()) as sink:
        assert isinstance(sink, WebSocketSink)
        yield sink


@contextmanager
def client(sink: WebSocketSink, path: str = "/", **options):
    """A client of the package websockets that is connected."""
    sync = pytest.importorskip("websockets.sync.client", reason="needs websockets")
    before = sink.n_clients
    with sync.connect(f"ws://127.0.0.1:{sink.port}{path}", **options) as connection:
        wait_until(lambda: sink.n_clients > before)
        yield connection


@contextmanager
def raw(sink: WebSocketSink, request: str | bytes = ""):
    """A bare connection."""
    with socket.create_connection(("127.0.0.1", sink.port), timeout=PATIENCE_S) as connection:
        connection.sendall(request if isinstance(request, bytes) else request.encode())
        yield connection


def answer(connection: socket.socket) -> bytes:
    """Everything until the server closes the connection."""
    parts = []
    while data := connection.recv(65536):
        parts.append(data)
    return b"".join(parts)


# Messages


def test_a_client_gets_the_numbers_of_every_frame_as_json():
    with open_sink("ws://127.0.0.1:0") as sink, client(sink) as connection:
        for index in range(3):
            sink.write(frame(index))
            record = json.loads(connection.recv(timeout=PATIENCE_S))
            assert (record["frame"], record["schema"]) == (index, "tddfa.live/1")
            (face,) = record["faces"]
            assert (face["id"], face["confidence"]) == (2, 0.75)
            assert face["shapes"] == pytest.approx(FACE.expression, abs=5.1e-7)
            assert face["head"]["yaw_deg"] == pytest.approx(FACE.pose.yaw_deg, abs=5.1e-7)
        sink.write(TrackedFrame(200, 200 / 30, None, ()))
        assert json.loads(connection.recv(timeout=PATIENCE_S))["faces"] == []


def test_each_client_chooses_its_messages_by_its_path(sink):
    with client(sink) as plain, client(sink, "/?landmarks") as points, client(sink, "/floats") as packed:
        sink.write(frame(9))
        assert "landmarks" not in json.loads(plain.recv(timeout=PATIENCE_S))["faces"][0]
        assert len(json.loads(points.recv(timeout=PATIENCE_S))["faces"][0]["landmarks"]) == 68
        numbers = np.frombuffer(packed.recv(timeout=PATIENCE_S), "<f4")
        assert numbers[:5].tolist() == [1, 9, np.float32(0.3), 1, 64]
        assert numbers[-1] == ARKIT_SHAPES.index("tongueOut") / 64


@pytest.mark.parametrize("path", ["/", "/floats"])
def test_10000_frames_arrive_without_a_loss_in_order(sink, path):
    n, got = 10_000, []
    room = threading.Semaphore(64)

    def receive() -> None:
        with client(sink, path) as connection:
            while len(got) < n:
                message = connection.recv(timeout=PATIENCE_S)
                index = (
                    json.loads(message)["frame"] if path == "/" else struct.unpack_from("<f", message, 4)[0]
                )
                got.append(int(index))
                room.release()

    thread = threading.Thread(target=receive)
    thread.start()
    wait_until(lambda: sink.n_clients == 1)
    for one in [TrackedFrame(index, index / 30, None, ()) for index in range(n)]:
        assert room.acquire(timeout=PATIENCE_S)
        sink.write(one)
    thread.join(PATIENCE_S)
    assert got == list(range(n))


# Clients that are absent, restarted, slow


def test_frames_without_a_client_are_gone_and_clients_may_come_and_go(sink):
    sink.write(frame(0))
    for index in (1, 2):
        with client(sink) as connection:
            sink.write(frame(index))
            assert json.loads(connection.recv(timeout=PATIENCE_S))["frame"] == index
        wait_until(lambda: sink.n_clients == 0)


def test_a_client_that_does_not_read_misses_frames_and_holds_nobody_up(sink):
    with raw(sink, HANDSHAKE.format(path="/?landmarks", more="")), client(sink) as good:
        wait_until(lambda: sink.n_clients == 2)
        slowest = 0.0
        for index in range(600):  # more than the system keeps for a client
            began = time.thread_time()
            sink.write(frame(index))
            slowest = max(slowest, time.thread_time() - began)
            assert json.loads(good.recv(timeout=PATIENCE_S))["frame"] == index
        assert slowest < 0.5
        (slow,) = [c for c in sink._server._clients.values() if c.variant == "landmarks"]
        assert slow.blocked
        time.sleep(0.3)
        sink.write(frame(600))
        assert len(slow.waiting) <= 1  # the others have grown old


def test_clients_are_told_when_the_stream_ends(sink):
    from websockets.exceptions import ConnectionClosed

    with client(sink) as connection:
        sink.__exit__(None, None, None)
        with pytest.raises(ConnectionClosed) as closed:
            connection.recv(timeout=PATIENCE_S)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1001, "tddfa ends")


def test_the_last_frames_arrive_although_the_stream_ends_right_after_them(monkeypatch):
    with open_sink("ws://127.0.0.1:0", avatar=Canned()) as sink:
        assert isinstance(sink, WebSocketSink)
        server = sink._server
        assert server is not None
        with client(sink) as connection:
            monkeypatch.setattr(server, "_wake", lambda: None)  # its thread is not scheduled until the end
            for index in range(3):
                sink.write(frame(index))
            monkeypatch.undo()
            sink.__exit__(None, None, None)
            assert [json.loads(message)["frame"] for message in connection] == [0, 1, 2]


def test_leaving_the_context_frees_the_port_at_once():
    others = threading.active_count()
    with open_sink("ws://127.0.0.1:0") as sink, raw(sink):  # a client that says nothing
        url = f"ws://127.0.0.1:{sink.port}"
    with open_sink(url):
        pass
    assert threading.active_count() <= others + 1  # the silent client's, which ends by its own time-out


def test_a_port_in_use_is_one_line(sink):
    with (
        pytest.raises(InputError, match="another program listens there; choose another port") as error,
        open_sink(f"ws://127.0.0.1:{sink.port}"),
    ):
        pass
    assert str(error.value).startswith(f"cannot listen on ws://127.0.0.1:{sink.port}: ")
    assert str(error.value).count(str(sink.port)) == 1


def test_an_address_of_another_computer_is_one_line():
    with (
        pytest.raises(InputError, match="an address of this computer"),
        open_sink("ws://192.0.2.1:8765"),
    ):
        pass


# The protocol


def test_the_handshake_is_that_of_the_rfc(sink):
    with raw(sink, HANDSHAKE.format(path="/", more="")) as connection:
        lines = connection.recv(4096).decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 101 Switching Protocols"
    assert "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in lines  # the example of RFC 6455


def masked(opcode: int, payload: bytes, first: int = 0x80) -> bytes:
    mask = b"\x01\x02\x03\x04"
    data = bytes(byte ^ mask[k % 4] for k, byte in enumerate(payload))
    length = (
        struct.pack(">B", 0x80 | len(payload))
        if len(payload) < 126
        else struct.pack(">BH", 0xFE, len(payload))
    )
    return bytes([first | opcode]) + length + mask + data


def test_pings_are_answered_and_what_clients_say_is_ignored(sink):
    with raw(sink, HANDSHAKE.format(path="/", more="")) as connection:
        connection.recv(4096)
        connection.sendall(masked(0x1, b"hello") + masked(0x2, bytes(300)) + masked(0x9, b"are you there"))
        assert connection.recv(4096) == b"\x8a\x0dare you there"


def test_a_handshake_and_frames_may_come_byte_by_byte(sink):
    with raw(sink) as connection:
        for byte in HANDSHAKE.format(path="/", more="").encode() + masked(0x9, b"x"):
            connection.sendall(bytes([byte]))
        data = b""
        while not data.endswith(b"\x8a\x01x"):
            data += connection.recv(4096)


def test_a_close_is_answered_with_its_code(sink):
    with raw(sink, HANDSHAKE.format(path="/", more="")) as connection:
        connection.recv(4096)
        connection.sendall(masked(0x8, struct.pack(">H", 1000) + b"bye"))
        assert answer(connection) == b"\x88\x02" + struct.pack(">H", 1000)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x05hello", 1002),  # not masked
        (b"\xc1\x80\0\0\0\0", 1002),  # a reserved bit
        (b"\x09\x80\0\0\0\0", 1002),  # a ping in parts
        (b"\x89\xfe\x00\x7e", 1002),  # a long ping
        (b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 1009),  # 2^63 bytes
    ],
)
def test_frames_against_the_protocol_end_the_connection(sink, data, code):
    with raw(sink, HANDSHAKE.format(path="/", more="")) as connection:
        connection.recv(4096)
        connection.sendall(data)
        last = answer(connection)
    assert last[0] == 0x88
    assert struct.unpack(">H", last[2:4]) == (code,)
    with client(sink):
        pass  # others are served


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("GET /other HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        ("POST / HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        ("hello\r\n\r\n", 400),
        (b"\xff\xfe\r\n\r\n", 400),
        (HANDSHAKE.format(path="/", more="").replace("Version: 13", "Version: 8"), 400),
        (HANDSHAKE.format(path="/", more="").replace("dGhl", "dG"), 400),
        (HANDSHAKE.format(path="/other", more=""), 404),
        (HANDSHAKE.format(path="/", more="Origin: https://evil.example\r\n"), 403),
        (HANDSHAKE.format(path="/", more="Origin: null\r\n"), 403),
        (HANDSHAKE.format(path="/", more="Origin: http://localhost.evil.example\r\n"), 403),
        (HANDSHAKE.format(path="/", more="Origin: http://[\r\n"), 403),
        ("GET / HTTP/1.1\r\n" + "X: " + "y" * 9000, 431),
    ],
)
def test_other_requests_are_answered_with_a_status_and_a_line(sink, request_, status):
    with raw(sink, request_) as connection:
        head, _, body = answer(connection).decode().partition("\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ")
    assert body.count("\n") == 1
    with client(sink):
        pass


@pytest.mark.parametrize(
    "origin", ["http://localhost:3000", "https://127.0.0.1", "http://[::1]:8", "http://absolute"]
)
def test_pages_of_this_computer_may_connect(sink, origin):
    with client(sink, origin=origin):
        pass


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("192.0.2.7:8765", "http://192.0.2.7:8765", 101),
        ("192.0.2.7:8765", "http://192.0.2.8:8765", 403),
        ("evil.example:8765", "http://evil.example:8765", 403),  # a name that was bound to this address
    ],
)
def test_the_page_of_the_sink_may_connect_from_another_computer(sink, host, origin, status):
    request = HANDSHAKE.format(path="/", more=f"Origin: {origin}\r\n").replace("127.0.0.1", host)
    with raw(sink, request) as connection:
        assert connection.recv(4096).startswith(f"HTTP/1.1 {status} ".encode())


@pytest.mark.parametrize(
    ("allowed", "origin"),
    [
        ("https://my.example", "https://my.example"),
        ("https://My.example/", "https://my.example"),
        ("https://my.example:443/page.html?a=1", "https://my.example"),
        ("http://my.example:8080", "http://my.example:8080"),
        ("http://[fe80::1]/", "http://[fe80::1]"),
        ("null", "null"),
        ("*", "https://any.example"),
    ],
)
def test_an_origin_that_was_allowed_may_connect_however_it_is_spelled(allowed, origin):
    with (
        open_sink(f"ws://127.0.0.1:0?origin={quote(allowed)}") as sink,
        client(sink, origin=origin),
    ):
        pass


def test_too_many_clients_are_refused_and_the_others_stay(sink):
    from contextlib import ExitStack

    with ExitStack() as stack:
        some = [stack.enter_context(raw(sink, HANDSHAKE.format(path="/", more=""))) for _ in range(32)]
        wait_until(lambda: sink.n_clients == 32)
        with raw(sink, HANDSHAKE.format(path="/", more="")) as late:
            assert answer(late).startswith(b"HTTP/1.1 503 ")
        assert some[0].recv(4096).startswith(b"HTTP/1.1 101 ")


@given(
    st.lists(st.tuples(st.sampled_from([1, 2, 9, 10]), st.binary(max_size=125)), max_size=5),
    st.integers(1, 9),
)
def test_frames_are_read_however_they_are_cut(frames, step):
    data = b"".join(masked(opcode, payload) for opcode, payload in frames)
    reader, read = protocol.FrameReader(), []
    for at in range(0, len(data), step):
        read += reader.feed(data[at : at + step])
    assert read == frames


@pytest.mark.parametrize("length", [0, 125, 126, 65535, 65536])
def test_frames_of_any_length_are_read_by_websockets(length):
    frames = pytest.importorskip("websockets.frames", reason="needs websockets")
    from websockets.streams import StreamReader

    stream = StreamReader()
    stream.feed_data(protocol.encode_frame(protocol.BINARY, bytes(length)))
    with pytest.raises(StopIteration) as done:  # a generator that needs no more bytes
        next(frames.Frame.parse(stream.read_exact, mask=False))
    assert (done.value.value.opcode, len(done.value.value.data)) == (2, length)


# A browser

PAGE = b"""<!doctype html><title>test</title><script>
const socket = new WebSocket(new URLSearchParams(location.search).get('url'));
socket.binaryType = 'arraybuffer';
const got = [];
socket.onmessage = ({data}) => {
  got.push(typeof data === 'string' ? JSON.parse(data).frame : new Float32Array(data)[1]);
  if (got.length === 20) fetch('/got', {method: 'POST', body: JSON.stringify(got)});
};
</script>"""


class PageServer(ThreadingHTTPServer):
    """Serves a page, and takes what it has got."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _PageHandler)
        self.got: Queue[list[int]] = Queue()


class _PageHandler(BaseHTTPRequestHandler):
    server: PageServer

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE)

    def do_POST(self) -> None:
        self.server.got.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_the_address_is_a_page_for_browsers(sink):
    with raw(sink, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") as connection:
        head, _, body = answer(connection).decode().partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200 OK\r\nContent-Type: text/html")
    assert f"Content-Length: {len(body.encode())}" in head
    assert "new WebSocket(url)" in body


@contextmanager
def browser(chromium: str, url: str, profile: Path) -> Iterator[subprocess.Popen]:
    """Chromium without a window; it is ended behind the block."""
    options = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        f"--user-data-dir={profile}",
    ]
    process = subprocess.Popen(
        [chromium, *options, url],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize("path", ["/", "/floats"])
def test_a_browser_gets_every_frame(sink, path, tmp_path):
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs Chromium")
    with PageServer() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = f"http://127.0.0.1:{server.server_address[1]}/?url=ws://127.0.0.1:{sink.port}{path}"
        with browser(chromium, page, tmp_path / "profile"):
            wait_until(lambda: sink.n_clients, "the page connects")
            for index in range(20):
                sink.write(frame(index))
                time.sleep(0.02)
            assert server.got.get(timeout=PATIENCE_S) == list(range(20))
        server.shutdown()


def test_the_page_of_the_sink_follows_the_face_in_a_browser(sink, tmp_path):
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs Chromium")
    with browser(chromium, f"http://127.0.0.1:{sink.port}/", tmp_path / "profile"):
        wait_until(lambda: sink.n_clients, "the page connects")
