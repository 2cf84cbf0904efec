"""Downloads from servers of every kind: whole files, or one line."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tddfa.errors import PackError
from tddfa.packs.convert.download import Limits, download, public
from waiting import PATIENCE_S

DATA = bytes(range(256)) * 400
FAST = Limits(attempts=3, pause_s=0.01, silence_s=0.5, window_s=0.3, least=1000, total_s=20, largest=1 << 20)

Answer = Callable[[socket.socket, str, int], None]
"""Answers one request: its connection, its text, and how many came before."""


@contextmanager
def server(answer: Answer) -> Iterator[tuple[str, list[str]]]:
    """A server that answers as told; its URL, and the requests that it got."""
    requests: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(PATIENCE_S)
                try:
                    request = b""
                    while b"\r\n\r\n" not in request:
                        request += connection.recv(4096)
                    requests.append(request.decode("latin1"))
                    answer(connection, requests[-1], len(requests) - 1)
                except OSError:
                    pass

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/file", requests
    listener.close()


def headers(length: object, status: str = "200 OK", more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{more}\r\n".encode()


def start_of(request: str) -> int:
    line = next((x for x in request.splitlines() if x.lower().startswith("range:")), "")
    return int(line.partition("=")[2].rstrip("-") or 0)


def test_a_file_arrives_whole_and_progress_is_told(tmp_path):
    told: list[tuple[int, int]] = []
    with server(lambda c, _r, _n: c.sendall(headers(len(DATA)) + DATA)) as (url, _):
        download(url, tmp_path / "f", lambda *x: told.append(x), FAST)
    assert (tmp_path / "f").read_bytes() == DATA
    assert told[-1] == (len(DATA), len(DATA))


def test_a_file_of_unknown_length_arrives_whole(tmp_path):
    with server(lambda c, _r, _n: c.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + DATA)) as (url, _):
        download(url, tmp_path / "f", limits=FAST)
    assert (tmp_path / "f").read_bytes() == DATA


@pytest.mark.parametrize("resumes", [True, False])
def test_a_download_that_breaks_off_goes_on_where_it_was_or_starts_again(tmp_path, resumes):
    def answer(connection: socket.socket, request: str, n: int) -> None:
        start = start_of(request) if resumes else 0
        body = DATA[start:]
        status = "206 Partial Content" if start else "200 OK"
        connection.sendall(headers(len(body), status) + (body if n == 2 else body[: len(body) // 2]))

    with server(answer) as (url, requests):
        download(url, tmp_path / "f", limits=FAST)
    assert (tmp_path / "f").read_bytes() == DATA
    assert [start_of(r) > 0 for r in requests] == [False, True, True]


@pytest.mark.parametrize("status", ["503 Service Unavailable", "429 Too Many Requests", "500 Oops"])
def test_a_server_in_trouble_is_asked_again(tmp_path, status):
    def answer(connection: socket.socket, _: str, n: int) -> None:
        connection.sendall(headers(len(DATA)) + DATA if n else headers(0, status))

    with server(answer) as (url, requests):
        download(url, tmp_path / "f", limits=FAST)
    assert len(requests) == 2


def drip(connection: socket.socket, _request: str, _n: int) -> None:
    connection.sendall(headers(len(DATA)))
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


def endless(connection: socket.socket, _request: str, _n: int) -> None:
    connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
    while True:
        connection.sendall(bytes(1 << 16))


def reply(data: bytes) -> Answer:
    return lambda connection, _r, _n: connection.sendall(data)


TROUBLES: dict[str, tuple[Answer, str]] = {
    "always cut": (reply(headers(len(DATA)) + DATA[:100]), r"it breaks off.*, 3 times"),
    "closed at once": (lambda c, _r, _n: None, r"3 times"),
    "silent": (lambda c, _r, _n: time.sleep(2), r"the server is silent, 3 times"),
    "silent in the body": (
        lambda c, _r, _n: (c.sendall(headers(len(DATA)) + b"x"), time.sleep(2)),
        "the server is silent, 3 times",
    ),
    "a byte at a time": (drip, r"only \d+ bytes arrive in 0 s, 3 times"),
    "endless": (endless, "is larger than 1048576 bytes"),
    "says it is endless": (reply(headers(1 << 40)), "is larger than 1048576 bytes"),
    "no HTTP": (reply(b"SSH-2.0-OpenSSH\r\n"), r"the answer is no HTTP \(BadStatusLine\), 3 times"),
    "a status of letters": (reply(b"HTTP/1.1 abc OK\r\n\r\n"), r"no HTTP"),
    "a line without end": (reply(b"HTTP/1.1 200 " + b"x" * 100_000), r"no HTTP|3 times"),
    "too many headers": (reply(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 500 + b"\r\n"), "no HTTP"),
    "not there": (reply(headers(0, "404 Not Found")), "the server answers 404 Not Found"),
    "odd reason": (reply(headers(0, "403 \x1b[2J\x07")), r"the server answers 403 \?\[2J\?"),
    "for ever elsewhere": (reply(headers(0, "302 Found", "Location: /file\r\n")), "answers 302"),
    "to a file": (reply(headers(0, "302 Found", "Location: file:///etc/passwd\r\n")), "answers 302"),
    "to FTP": (reply(headers(0, "302 Found", "Location: ftp://127.0.0.1/x\r\n")), "cannot download"),
    "nonsense chunks": (reply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "3 times"),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_a_server_that_does_not_do_its_work_is_one_line(tmp_path, name):
    answer, message = TROUBLES[name]
    with server(answer) as (url, _), pytest.raises(PackError, match=message) as error:
        download(url, tmp_path / "f", limits=FAST)
    text = str(error.value)
    assert "\n" not in text
    assert text.isprintable()
    assert url in text


def test_a_download_ends_at_its_total_limit(tmp_path):
    limits = Limits(attempts=3, silence_s=5, window_s=100, total_s=0.5)
    with server(drip) as (url, _), pytest.raises(PackError, match=r"takes more than 0 s|takes more than 1 s"):
        download(url, tmp_path / "f", limits=limits)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://127.0.0.1:9/none", "Connection refused"),
        ("https://[broken", "cannot download"),
        ("http://exa mple/x", "cannot download"),
        ("http://127.0.0.1:port/x", "this is no URL"),
        ("http:///x", "cannot download"),
        ("http://a..b/x", "cannot download"),
        ("http://127.0.0.1:9/\x1b[2J\n", "cannot download"),
        ("file:///etc/passwd", "cannot download"),
        ("ftp://127.0.0.1/x", "cannot download"),
    ],
)
def test_a_url_that_leads_nowhere_is_one_line(tmp_path, url, message):
    with pytest.raises(PackError, match=message) as error:
        download(url, tmp_path / "f", limits=FAST)
    assert str(error.value).isprintable()


def test_names_and_passwords_of_urls_are_neither_shown_nor_recorded():
    assert public("https://me:secret@host/a@b") == "https://host/a@b"
    assert public("https://host:80/a") == "https://host:80/a"


def test_a_full_disk_is_no_matter_of_the_network(tmp_path):
    (tmp_path / "folder").mkdir()
    with (
        server(lambda c, _r, _n: c.sendall(headers(3) + b"abc")) as (url, _),
        pytest.raises(OSError, match="directory"),
    ):
        download(url, tmp_path / "folder", limits=FAST)
