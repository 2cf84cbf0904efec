"""Draw the images of docs/studio.md: each view in Chromium, light and dark, wide and as on a phone.

    python tools/draw_studio.py [photo video camera phone]

Needs the extras `studio` and `dev`, and Chromium (CHROMIUM, or on the path).
"""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from fake_camera import write_y4m  # noqa: E402  # pyright: ignore[reportMissingImports]

EXAMPLES = ROOT / "examples"
PLACE = ROOT / "docs" / "studio"
_PATIENCE_MS = 240_000
_PHONE = 390, 844
_MAX_PHONE_PX = 1300  # height of an image of a phone: the rest is like it


def main() -> None:
    """Write the images of the views that are named, or of all."""
    wanted = sys.argv[1:] or ["photo", "video", "camera", "phone"]
    views: dict[str, tuple[tuple[int, int], Callable[[Any, str], None]]] = {
        "photo": ((1280, 860), _photo),
        "video": ((1200, 900), _video),
        "camera": ((1200, 640), _camera),
        "phone": (_PHONE, _photo),
    }
    with tempfile.TemporaryDirectory() as folder, _Studio() as address, sync_playwright() as running:
        clip = write_y4m(Path(folder) / "clip.y4m")
        browser = running.chromium.launch(
            executable_path=os.environ.get("CHROMIUM") or shutil.which("chromium"),
            args=[
                *("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox"),
                *("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"),
                f"--use-file-for-fake-video-capture={clip}",
            ],
        )
        for name in wanted:
            (width, height), show = views[name]
            for scheme in ("light", "dark"):
                context = browser.new_context(
                    viewport={"width": width, "height": height},
                    color_scheme=scheme,  # type: ignore[arg-type]
                    permissions=["camera"],
                    reduced_motion="reduce",
                )
                page = context.new_page()
                page.set_default_timeout(_PATIENCE_MS)
                show(page, address)
                data = page.screenshot(full_page=name in ("video", "phone"), timeout=_PATIENCE_MS)
                image = Image.open(io.BytesIO(data)).convert("RGB")
                if name == "phone":
                    image = image.crop((0, 0, width, min(image.height, _MAX_PHONE_PX)))
                image.save(PLACE / f"{name}-{scheme}.webp", quality=82, method=6)
                print(f"{name}-{scheme}.webp", image.size)
                context.close()
        browser.close()


class _Studio:
    """A studio in a process of its own."""

    def __enter__(self) -> str:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "tddfa", "studio", "--no-browser", "--port", str(port)]
        self._process = subprocess.Popen(command)
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return f"http://127.0.0.1:{port}/"
            except OSError:
                time.sleep(0.1)

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()


def _until(page: Any, condition: str) -> None:
    while not page.evaluate(condition):
        page.wait_for_timeout(200)
    page.wait_for_timeout(2500)  # the 3D view draws all pixels again once nothing moves


def _photo(page: Any, address: str) -> None:
    page.goto(address + "#photo")
    page.wait_for_selector(".drop")
    page.set_input_files("input[type=file]", EXAMPLES / "photos" / "group.jpg")
    page.wait_for_selector(".over[data-kind]")
    page.wait_for_selector(".people button:nth-child(4)")
    _until(page, "window.studioViewer?.vertices(500).length > 0")


def _video(page: Any, address: str) -> None:
    page.goto(address + "#video")
    page.wait_for_selector(".drop .chip")
    page.set_input_files("input[type=file]", EXAMPLES / "clip.mp4")
    page.wait_for_selector(".lanes")
    page.get_by_label("Time in the video, seconds").wait_for()
    page.evaluate("document.querySelector('video').currentTime = 3.4")
    page.evaluate("document.querySelector('video').controls = false")
    _until(page, "document.querySelector('video').readyState >= 2")


def _camera(page: Any, address: str) -> None:
    page.goto(address + "#camera")
    page.get_by_role("button", name="Start the camera").click()
    meters = "window.studioMeters?.n_with_face >= 60 && window.studioMeters.fps > 15"
    _until(page, f"{meters} && window.studioViewer?.drawings > 5")


if __name__ == "__main__":
    main()
