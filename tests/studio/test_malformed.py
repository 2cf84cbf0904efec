"""Requests and frames that nobody means well: the server answers below 500, stays quiet and alive."""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import subprocess
import sys
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from studio_client import PHOTO, answers, studio
from studio_client import socket as websocket
from waiting import PATIENCE_S, wait_until

pytest.importorskip("uvicorn")

N = int(os.environ.get("TDDFA_MALFORMED", "150"))  # 1000 in the long run
_VALUES = [
    "",
    "0",
    "-1",
    "1e9",
    "NaN",
    "true",
    "glb",
    "all",
    "%00",
    "../..",
    "a" * 3000,
    "json,json",
    "é",
    "[]",
    "'",
]


def mutated(rng: random.Random, data: bytes) -> bytes:
    """Return a file with some of its bytes changed, cut out, repeated, or the end missing."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(out))
        kind = rng.randrange(4)
        if kind == 0:
            out[at] = rng.randrange(256)
        elif kind == 1:
            del out[at : at + rng.randint(1, 400)]
        elif kind == 2:
            out[at:at] = out[: rng.randint(1, 400)]
        else:
            del out[rng.randint(at, len(out)) :]
        if not out:
            return b"\xff"
    return bytes(out)


def test_requests_that_are_wrong_are_answered_below_500():
    rng = random.Random(17)
    paths = ["/api/align", "/api/photos", "/api/photos/x/outputs", "/api/photos/x/faces/0/outputs"]
    paths += [
        "/api/videos/x",
        "/api/videos/x/files/y",
        "/api/about",
        "/static/app.js",
        "/",
        "/api/recordings/a/b",
    ]
    names = ["kind", "format", "background", "max_faces", "search_size", "per_face", "neutral", "x", ""]
    with studio(raise_server_exceptions=False) as client:
        for _ in range(N):
            method = rng.choice(["GET", "POST", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "X"])
            query = "&".join(f"{rng.choice(names)}={rng.choice(_VALUES)}" for _ in range(rng.randrange(4)))
            body = rng.choice([b"", mutated(rng, PHOTO), bytes(rng.randrange(256) for _ in range(60))])
            answer = client.request(method, f"{rng.choice(paths)}?{query}", content=body)
            assert answer.status_code < 500, (method, answer.url, answer.text)
            if answer.status_code >= 400 and method != "HEAD":
                assert "\n" not in answer.json()["error"]
        assert len(client.post("/api/align", content=PHOTO).json()["faces"]) == 1


def test_frames_that_are_broken_cost_a_camera_nothing_but_themselves():
    rng = random.Random(18)
    with studio() as client, websocket(client, "/api/camera") as ws:
        for k in range(N):
            ws.send_bytes(mutated(rng, PHOTO))
            assert ws.receive_json()["type"] in ("frame", "error")
            if k % 50 == 49:  # so that it is not taken for a client that sends nothing but rubbish
                ws.send_bytes(PHOTO)
                ws.receive_json()
        ws.send_bytes(PHOTO)
        assert len(ws.receive_json()["faces"]) == 1


@contextlib.contextmanager
def running_studio():
    """A studio in a process of its own, and its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tddfa", "studio", "--no-browser", "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert str(port) in process.stderr.readline()
            yield process, port
        finally:
            process.kill()


def test_a_large_body_that_is_refused_is_told_why_and_not_cut_off():
    """Clients that send all of a body before they read saw a reset connection in place of the line."""
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    with running_studio() as (_, port):
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(f"{url}/api/openapi.json"), url)
        for path, size, headers, status in [
            ("/api/align", 8 << 20, form, 415),
            ("/api/align", 48 << 20, {}, 413),
            ("/api/align?no=1", 8 << 20, {}, 400),
            ("/api/align", 8 << 20, {"Host": "evil.example"}, 421),
            ("/api/nothing", 8 << 20, {}, 404),
        ]:
            with pytest.raises(HTTPError) as refused:
                urlopen(Request(url + path, bytes(size), headers), timeout=PATIENCE_S)
            assert refused.value.status == status
            assert list(json.load(refused.value)) == ["error"]
        with pytest.raises(HTTPError) as refused:  # a body whose length is not told
            urlopen(Request(f"{url}/api/align", iter([bytes(1 << 20)] * 48)), timeout=PATIENCE_S)
        assert refused.value.status == 413


def test_connections_that_are_cut_slow_or_no_http_leave_a_server_alive_and_quiet():
    rng = random.Random(19)
    with running_studio() as (process, port):
        head = f"POST /api/align HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: "
        upgrade = (
            f"GET /api/camera HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n"
        )
        url = f"http://127.0.0.1:{port}/api/about"
        wait_until(lambda: answers(url), url)
        for _ in range(N // 3):
            message = rng.choice(
                [
                    f"{head}{len(PHOTO)}\r\n\r\n".encode() + PHOTO[: rng.randrange(len(PHOTO))],
                    f"{head}99999999999\r\n\r\n".encode() + PHOTO,
                    f"{head}-5\r\n\r\n".encode(),
                    f"{head}x\r\n\r\n".encode(),
                    head.encode() + b"\x00" * 50,
                    bytes(rng.randrange(256) for _ in range(200)),
                    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 9000,
                    upgrade.encode() + bytes(rng.randrange(256) for _ in range(80)),
                    upgrade.encode()[: rng.randrange(len(upgrade))],
                    upgrade.encode() + b"\x82\x7f\x00\x00\x00\xff\xff\xff\xff\xff" + b"\x00" * 30,
                ]
            )
            answer = b""
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection,
            ):
                connection.sendall(message)
                if rng.random() < 0.5:
                    connection.settimeout(0.05)
                    answer = connection.recv(4096)
            assert not answer.startswith(b"HTTP/1.1 5")
        assert urlopen(url, timeout=PATIENCE_S).status == 200
        process.terminate()
        errors = process.communicate(timeout=PATIENCE_S)[1]
    assert "Traceback" not in errors
    assert process.returncode == 0
