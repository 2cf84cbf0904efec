"""A studio in this process, for the tests of its service."""

from __future__ import annotations

import io
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tddfa.studio import StudioSettings, make_app
from waiting import PATIENCE_S

ROOT = Path(__file__).parents[1]
PHOTO = (ROOT / "examples" / "photos" / "hopper.jpg").read_bytes()
GROUP = (ROOT / "examples" / "photos" / "group.jpg").read_bytes()
CLIP = (ROOT / "examples" / "clip.mp4").read_bytes()
ADDRESS = "127.0.0.1:8470"


@contextmanager
def studio(settings: StudioSettings | None = None, **options) -> Iterator:
    from starlette.testclient import TestClient

    client = TestClient(make_app(settings), base_url=f"http://{ADDRESS}", **options)
    with client:
        yield client


def answers(url: str) -> bool:
    """Say whether a studio in a process of its own answers yet."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
            return answer.status == 200
    except OSError:
        return False


def socket(client, path: str, **options):
    """Return a WebSocket of a client; the client of the tests has a host of its own for these."""
    return client.websocket_connect(f"ws://{ADDRESS}{path}", **options)


def unzipped(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
