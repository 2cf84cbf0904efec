"""The built page: what a wheel contains."""

import re

import pytest

from studio_client import ROOT, studio

STATIC = ROOT / "src" / "tddfa" / "studio" / "static"
REPORT = ROOT / "src" / "tddfa" / "streams" / "sinks" / "report_page.html"
FILES = sorted(path for path in STATIC.glob("*") if path.is_file())

pytest.importorskip("starlette")


def test_the_page_is_built_and_small():
    assert {"index.html", "app.js", "app.css", "icon.svg", "inter.woff2", "licences.txt"} <= {
        f.name for f in FILES
    }
    assert sum(path.stat().st_size for path in FILES) < 1_000_000


def test_every_file_that_the_page_names_is_served():
    with studio() as client:
        page = client.get("/")
        assert page.headers["content-type"].startswith("text/html")
        names = re.findall(r'(?:src|href)="(static/[^"]+)"', page.text)
        assert len(names) >= 3
        for name in names:
            assert client.get(f"/{name}").status_code == 200
        script = client.get("/static/app.js")
        assert script.headers["content-type"].startswith("text/javascript")
        imported = {
            name
            for path in FILES
            if path.suffix == ".js"
            for name in re.findall(r'"\./([\w.-]+\.js)"', path.read_text())
        }
        assert imported
        for name in imported:
            assert client.get(f"/static/{name}").status_code == 200


@pytest.mark.parametrize("path", [*FILES, REPORT], ids=lambda path: path.name)
def test_nothing_is_loaded_from_elsewhere(path):
    if path.suffix not in (".html", ".css", ".js"):
        return
    text = path.read_text(encoding="utf-8")
    loads = re.findall(
        r"""(?:src|href)=["']?(https?:)?//|url\(["']?(?:https?:)?//|import\(?["']https?:|@import""", text
    )
    assert not loads
    if path != REPORT and "isBufferGeometry" not in text:  # three.js names addresses in its messages
        assert "http" not in text.replace("http://www.w3.org/2000/svg", "").replace(
            '"http","ws"', ""
        ).replace("HTTPS", "")
