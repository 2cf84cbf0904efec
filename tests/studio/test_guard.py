"""Who may talk to a studio."""

import socket as sockets
from urllib.parse import urlsplit

import pytest

from studio_client import ADDRESS, PHOTO, socket, studio
from tddfa.cli.main import main
from tddfa.errors import InputError
from tddfa.studio import StudioSettings
from tddfa.studio.server import network_page_url, page_url
from tddfa.studio.settings import is_loopback

pytest.importorskip("starlette")
from starlette.websockets import WebSocketDisconnect

PUBLIC = StudioSettings("0.0.0.0", ("faces.example.org",), token='a&long+secret;"#%')


@pytest.fixture(scope="module")
def client():
    with studio() as client:
        yield client


@pytest.fixture(scope="module")
def public():
    with studio(PUBLIC) as client:
        yield client


@pytest.mark.parametrize(
    "host", ["localhost:8470", "127.0.0.1", "[::1]:8470", "LOCALHOST:9", "127.0.0.2:8470"]
)
def test_names_of_this_computer_are_let_through(client, host):
    assert client.get("/api/openapi.json", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example:8470", "192.168.0.7:8470", "", "a@localhost", "x:y", "[::1"],
)
def test_another_host_is_refused_as_after_dns_rebinding(client, host):
    answer = client.get("/api/openapi.json", headers={"host": host})
    assert answer.status_code == 421
    with pytest.raises(WebSocketDisconnect), socket(client, "/api/camera", headers={"host": host}):
        pass


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://127.0.0.1:9999",
        "http://localhost:8470",
        f"http://{ADDRESS}.evil.example",
        f"file://{ADDRESS}",
        "http://[",
    ],
)
def test_a_page_of_another_site_is_refused(client, origin):
    headers = {"origin": origin}
    assert client.post("/api/align", content=PHOTO, headers=headers).status_code == 403
    with pytest.raises(WebSocketDisconnect), socket(client, "/api/camera", headers=headers):
        pass


def test_a_page_of_ours_and_a_script_are_let_through(client):
    assert client.post("/api/align", content=PHOTO, headers={"origin": f"http://{ADDRESS}"}).is_success
    assert client.get("/api/about", headers={"sec-fetch-site": "same-origin"}).is_success
    assert client.get("/api/about", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    with socket(client, "/api/camera", headers={"origin": f"http://{ADDRESS}"}):
        pass


def test_a_proxy_that_does_tls_is_let_through(public):
    headers = {"host": "faces.example.org", "origin": "https://faces.example.org"}
    answer = public.get("/api/about", headers={**headers, "authorization": f"Bearer {PUBLIC.token}"})
    assert answer.status_code == 200
    assert public.get("/api/about", headers={"host": "other.example.org"}).status_code == 421


def test_a_server_that_others_reach_asks_for_its_token(public):
    public.cookies.clear()
    for path in ("/", "/api/about", "/static/app.js", "/api/openapi.json"):
        answer = public.get(path)
        assert answer.status_code == 401
        assert "token" in answer.json()["error"]
    visit = public.get("/", headers={"accept": "text/html,*/*;q=0.8"})
    assert visit.headers["content-type"].startswith("text/html")
    assert "<p>This needs the token of the server: open the address that" in visit.text
    assert public.get("/api/about", headers={"authorization": "Bearer wrong"}).status_code == 401
    assert public.get("/api/about?token=a%26long%2Bsecre").status_code == 401
    with pytest.raises(WebSocketDisconnect), socket(public, "/api/camera"):
        pass
    assert public.get("/api/about", headers={"authorization": f"Bearer {PUBLIC.token}"}).status_code == 200


def test_the_address_that_is_printed_gives_the_browser_a_cookie(public):
    url = page_url(PUBLIC, 8470)
    assert url == "http://127.0.0.1:8470/?token=a%26long%2Bsecret%3B%22%23%25"
    public.cookies.clear()
    answer = public.get(url.removeprefix("http://127.0.0.1:8470"))
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert public.get("/api/about").status_code == 200  # with the cookie
    public.cookies.clear()


@pytest.mark.parametrize(
    ("host", "here"),
    [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("192.0.2.7", "192.0.2.7"), ("::1", "[::1]")],
)
def test_the_page_has_an_address_for_this_computer_and_one_for_phones(host, here):
    settings = StudioSettings(host, token=PUBLIC.token)
    query = page_url(PUBLIC, 8470).partition("?")[2]
    assert page_url(settings, 8470) == f"http://{here}:8470/?{query}"
    elsewhere = network_page_url(settings, 8470)
    if elsewhere is None:  # no address but its own is known, or there is no network
        return
    assert host in ("0.0.0.0", "::")
    address = urlsplit(elsewhere)
    assert (address.port, address.query) == (8470, query)
    assert not is_loopback(address.hostname)
    with sockets.socket(sockets.AF_INET6 if host == "::" else sockets.AF_INET) as own:
        own.bind((address.hostname, 0))  # it is an address of this computer


@pytest.mark.parametrize(
    "token", ["é12345678", "two words", "a\nline", "\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f", ""]
)
def test_a_token_that_no_header_could_carry_is_refused(token):
    with pytest.raises(InputError, match="letters, digits and punctuation of ASCII"):
        StudioSettings("0.0.0.0", token=token)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--pack", "nope"], "no model pack named 'nope'"),
        (["--host", "0.0.0.0", "--token", "é12345678 &x"], "the token takes letters, digits and punctuation"),
    ],
)
def test_what_a_studio_cannot_use_is_told_before_it_listens(monkeypatch, capsys, arguments, words):
    monkeypatch.setattr("tddfa.studio.server._listen", lambda host, port: pytest.fail("it listens"))
    assert main(["studio", "--no-browser", *arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("tddfa: error: ")
    assert words in error
    assert error.count("\n") == 1


def test_nothing_but_our_own_files_may_run_in_the_page(client):
    policy = client.get("/").headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    refused = client.get("/", headers={"host": "evil.example"})
    assert refused.headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in client.get("/").headers


@pytest.mark.parametrize(
    "name", ["..%2f..%2fapp.py", "../app.py", "%2e%2e/app.py", ".", "nothing.js", "app.js%00"]
)
def test_no_other_file_is_served(client, name):
    answer = client.get(f"/static/{name}")
    assert answer.status_code == 404
    assert "import" not in answer.text
