"""The page in a real browser: what people see and do, end to end."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from fake_camera import write_y4m
from studio_client import ROOT, answers, unzipped
from tddfa import decode_image
from tddfa.imaging.files import encode_image
from tddfa.video import VideoReader
from waiting import PATIENCE_S, wait_until

playwright = pytest.importorskip("playwright.sync_api")
pytest.importorskip("uvicorn")

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
AXE = ROOT / "studio" / "node_modules" / "axe-core" / "axe.min.js"
PHOTOS = ROOT / "examples" / "photos"
PATIENCE_MS = 1000 * PATIENCE_S  # a busy machine without a graphics card draws WebGL slowly

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
    pytest.mark.timeout(3 * PATIENCE_S),
]


@pytest.fixture(scope="module")
def address():
    """A studio in a process of its own, as the command starts it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tddfa", "studio", "--no-browser", "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        url = f"http://127.0.0.1:{port}/"
        try:
            assert url in process.stderr.readline()
            wait_until(lambda: answers(url + "api/about"), url)
            yield url
        finally:
            process.terminate()
            left = process.communicate(timeout=PATIENCE_S)[1]
    assert left == ""  # no traceback, no warning
    assert process.returncode == 0


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    clip = write_y4m(tmp_path_factory.mktemp("camera") / "clip.y4m")
    arguments = [
        *("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
        *("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"),
        f"--use-file-for-fake-video-capture={clip}",
        *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
    ]
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A page that has no error."""
    with opened(browser) as page:
        yield page


@contextlib.contextmanager
def opened(browser, width=1280, height=860, scheme="light"):
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        permissions=["camera"],
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    # Requests that are refused on purpose are told in the console too.
    assert [text for text in errors if "Failed to load resource" not in text] == []


def until(page, condition, arg=None):
    """Wait for a condition; Playwright's own wait needs eval, which the policy of the page forbids."""
    wait_until(lambda: page.evaluate(condition, arg), condition, pause=lambda: page.wait_for_timeout(100))


def open_photo(page, address, file=PHOTOS / "astronaut.jpg"):
    page.goto(address + "#photo")
    page.wait_for_selector(".drop")
    page.set_input_files("input[type=file]", file)
    page.wait_for_selector(".faces g[aria-checked=true]")
    until(page, "window.studioViewer?.vertices(500).length > 0")
    page.wait_for_selector(".over[data-kind]")


GIVE_FILE = """([kind, data, name, type]) => {
    const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
    const given = new DataTransfer();
    given.items.add(new File([bytes], name, {type}));
    const options = {bubbles: true, cancelable: true};
    const event = kind === "paste"
        ? new ClipboardEvent("paste", {...options, clipboardData: given})
        : new DragEvent("drop", {...options, dataTransfer: given});
    (kind === "paste" ? document : document.querySelector("main")).dispatchEvent(event);
}"""


def processor_seconds():
    """Return the processor time of this process and of all that it started: browser, studio."""
    total, waiting = 0.0, [os.getpid()]
    while waiting:
        pid = waiting.pop()
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
    return total


def pixels(page, selector):
    return decode_image(page.locator(selector).screenshot(timeout=PATIENCE_MS)).astype(int)


def vertices(page):
    return np.array(page.evaluate("window.studioViewer.vertices(20)")).reshape(-1, 3)


def serious(page):
    """Return what axe-core finds serious or worse."""
    if not AXE.is_file():
        pytest.skip("needs axe-core: make studio")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [
        (item["id"], [node["html"][:160] for node in item["nodes"]][:4])
        for item in found
        if item["impact"] in ("serious", "critical")
    ]


def test_a_photo_shows_its_overlays(page, address):
    open_photo(page, address, PHOTOS / "group.jpg")
    assert page.locator(".faces g").count() == 4
    page.get_by_role("radio", name="Photo", exact=True).first.click()
    plain = pixels(page, ".sheet")
    shown = {}
    for name, kind in (("Surface", "3d"), ("Depth", "depth"), ("Wireframe", "wireframe")):
        page.get_by_role("radio", name=name, exact=True).first.click()
        page.wait_for_selector(f".over[data-kind='{kind}']")
        shown[kind] = pixels(page, ".sheet")
        changed = np.abs(shown[kind] - plain).max(axis=2) > 24
        assert 0.005 < changed.mean() < 0.4, kind  # the faces, and not the rest
    assert np.abs(shown["3d"] - shown["depth"]).max() > 50
    page.get_by_role("slider", name="Opacity").fill("0")
    assert np.abs(pixels(page, ".sheet") - plain).max() <= 8


def test_the_face_in_3d_is_drawn_and_its_sliders_move_it(page, address):
    open_photo(page, address)

    def drawn() -> bool:
        shown = pixels(page, ".viewer")
        height, width = shown.shape[:2]
        middle = shown[height // 3 : -height // 3, width // 3 : -width // 3]
        is_ground = np.abs(middle.mean(axis=(0, 1)) - shown[4, 4]).max() <= 15
        return not is_ground and middle.std() > 15  # skin, eyes, mouth

    wait_until(drawn, "a face", pause=lambda: page.wait_for_timeout(100))
    page.get_by_role("button", name="Neutral").click()
    rest = vertices(page)
    page.get_by_text("All expressions").click()
    assert page.locator("input[data-expression]").count() == 52
    page.locator("input[data-expression=jawOpen]").fill("1")
    opened_mouth = vertices(page)
    moved = np.linalg.norm(opened_mouth - rest, axis=1)
    assert moved.max() > 0.005  # m
    assert np.median(moved) < 0.002  # the forehead stays
    page.get_by_role("button", name="Smile", exact=True).click()
    assert page.locator("input[data-expression=mouthSmileLeft]").input_value() == "0.8"
    assert page.locator("input[data-expression=jawOpen]").input_value() == "0"
    page.get_by_role("button", name="Neutral").click()
    assert np.array_equal(vertices(page), rest)


def test_another_face_is_chosen_with_the_keyboard(page, address):
    open_photo(page, address, PHOTOS / "group.jpg")
    before = page.locator(".numbers").inner_text()
    page.locator(".faces g").nth(1).focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".faces g[data-face='1'][aria-checked=true]")
    assert page.locator(".numbers").inner_text() != before
    page.get_by_role("radio", name="Landmarks").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(".over[data-kind='2d_dense']")


def test_each_download_of_a_photo_opens_in_its_reader(page, address):
    import pandas
    import trimesh

    open_photo(page, address)
    links = page.eval_on_selector_all(".downloads a", "all => all.map(a => [a.dataset.kind, a.href])")
    files = {kind: page.request.get(href, timeout=PATIENCE_MS).body() for kind, href in links}
    for kind in ("2d_sparse", "2d_dense", "3d", "depth", "pncc", "uv_tex", "pose", "normals", "wireframe"):
        assert decode_image(files.pop(kind)).ndim == 3
    assert decode_image(files.pop("depth16")).ndim == 3
    assert len(json.loads(files.pop("json"))["faces"]) == 1
    assert np.load(io.BytesIO(files.pop("npz"))).files
    assert len(pandas.read_csv(io.BytesIO(files.pop("csv")))) == 1
    assert len(pandas.read_json(io.BytesIO(files.pop("jsonl")), lines=True)) == 1
    if "parquet" in files:
        assert len(pandas.read_parquet(io.BytesIO(files.pop("parquet")))) == 1
    for kind in ("ply", "glb"):
        mesh = trimesh.load(io.BytesIO(files.pop(kind)), file_type=kind, force="mesh")
        assert len(mesh.vertices) > 3000
    obj = unzipped(files.pop("obj"))
    assert {name.rpartition(".")[2] for name in obj} == {"obj", "mtl", "png"}
    with page.expect_download(timeout=PATIENCE_MS) as download:
        page.get_by_role("link", name="Everything as ZIP").click()
    assert download.value.suggested_filename == "astronaut.zip"
    assert len(unzipped(files.pop("all"))) > 15
    assert not files


def test_what_has_no_face_or_is_no_image_is_told_in_plain_words(page, address, tmp_path):
    blank, text = tmp_path / "blank.png", tmp_path / "text.jpg"
    blank.write_bytes(encode_image(np.full((120, 160, 3), 128, np.uint8), "png"))
    text.write_bytes(b"hello")
    page.goto(address)
    page.wait_for_selector(".drop")
    page.set_input_files("input[type=file]", blank)
    page.get_by_text("No face was found in this image of 160×120 px").wait_for()
    assert serious(page) == []
    page.set_input_files("input[type=file]", text)
    page.get_by_role("alert").get_by_text("“text.jpg” is no image; readable are JPEG").wait_for()
    page.get_by_role("heading", name="Drop a photo").wait_for()  # and it goes on
    assert serious(page) == []


def test_files_that_cannot_be_used_are_told_by_their_names_in_either_view(page, address, tmp_path):
    photo = (PHOTOS / "hopper.jpg").read_bytes()
    files = {
        "letter.pdf": (b"%PDF-1.4" + bytes(500), "is a PDF", "is no video"),
        "empty.jpg": (b"", "is empty", None),
        "empty.mp4": (b"", None, "is empty"),
        "half.jpg": (photo[: len(photo) // 2], "is a truncated JPEG: its end is missing", None),
        "half.mp4": (
            (ROOT / "examples" / "clip.mp4").read_bytes()[:5000],
            None,
            "has a video track, but not one frame in it can be read",
        ),
        "notes": (b"dear diary\n" * 9, "is no image", "is text and no video"),
    }
    for name, (data, on_photo, on_video) in files.items():
        (tmp_path / name).write_bytes(data)
        for view, words in (("photo", on_photo), ("video", on_video)):
            if words is None:
                continue
            page.goto("about:blank")
            page.goto(f"{address}#{view}")
            page.wait_for_selector(".drop" if view == "photo" else ".drop .chip")
            page.set_input_files("input[type=file]", tmp_path / name)
            line = page.get_by_role("alert").locator("span").inner_text()
            assert name in line
            assert words in line
            assert line.endswith(".")
            assert "body" not in line
            assert str(tmp_path) not in line
            page.wait_for_selector(".drop")  # and it goes on


def test_a_file_opens_in_its_view_wherever_it_is_dropped(page, address):
    clip = base64.b64encode((ROOT / "examples" / "clip.mp4").read_bytes()).decode()
    photo = base64.b64encode((PHOTOS / "astronaut.jpg").read_bytes()).decode()
    page.goto(address + "#photo")
    page.wait_for_selector(".drop")
    page.evaluate(GIVE_FILE, ["drop", clip, "talk.mp4", "video/mp4"])
    page.get_by_role("heading", name="talk.mp4").wait_for()
    assert page.url.endswith("#video")
    for view in ("video", "camera"):
        page.goto(f"{address}#{view}")
        page.wait_for_selector(".drop, .progress")
        page.evaluate(GIVE_FILE, ["drop", photo, "me.heic", ""])  # browsers know no type for HEIC
        page.wait_for_selector(".faces g")
        assert page.url.endswith("#photo")


def test_a_photo_that_the_studio_has_forgotten_is_read_again(page, address):
    open_photo(page, address)
    id = page.get_attribute(".sheet img", "src").split("/")[2]
    urllib.request.urlopen(urllib.request.Request(f"{address}api/photos/{id}", method="DELETE")).read()
    page.get_by_role("radio", name="Depth", exact=True).click()
    page.get_by_text("The studio had forgotten this photo, and has read it again.").wait_for()
    page.wait_for_selector(".faces g[aria-checked=true]")
    assert page.get_attribute(".sheet img", "src").split("/")[2] != id


def test_the_face_in_3d_comes_back_with_the_graphics_card(page, address):
    open_photo(page, address)
    page.evaluate(
        """() => {
            const gl = document.querySelector(".viewer canvas").getContext("webgl2");
            window.lost = gl.getExtension("WEBGL_lose_context");
            window.lost.loseContext();
        }"""
    )
    until(page, "document.querySelector('.viewer canvas').getContext('webgl2').isContextLost()")
    page.get_by_role("button", name="Smile", exact=True).click()  # a drawing that comes to nothing
    drawn = page.evaluate("window.studioViewer.drawings")
    page.evaluate("window.lost.restoreContext()")
    until(page, "n => window.studioViewer.drawings > n", drawn)


def test_a_video_becomes_a_timeline_that_scrubs(page, address):
    page.goto(address + "#video")
    page.wait_for_selector(".drop .chip")
    page.set_input_files("input[type=file]", ROOT / "examples" / "clip.mp4")
    page.get_by_text("of 125 frames").wait_for()
    page.wait_for_selector(".lanes")
    assert page.locator(".lane").count() == 2
    until(page, "document.querySelector('video').readyState >= 2")
    chart = page.locator(".chart svg")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    page.mouse.click(box["x"] + 0.7 * box["width"], box["y"] + 40)
    until(page, "Math.abs(document.querySelector('video').currentTime - 3.5) < 0.1")
    assert "0:03.5" in page.locator(".legend").inner_text()
    page.get_by_text("Curves", exact=True).click()
    n = page.locator(".chart path").count()
    page.get_by_role("button", name="Pitch").click()
    assert page.locator(".chart path").count() == n + 2
    links = page.eval_on_selector_all(".downloads a", "all => all.map(a => [a.innerText, a.href])")
    files = {text.split()[0]: page.request.get(href, timeout=PATIENCE_MS).body() for text, href in links}
    opened_by_their_readers(files)
    assert len(unzipped(files["Everything"])) == len(files) - 1 >= 7
    assert serious(page) == []


def send_video(page, address, file=ROOT / "examples" / "clip.mp4"):
    page.goto(address + "#video")
    page.wait_for_selector(".drop .chip")
    page.set_input_files("input[type=file]", file)


def test_a_video_goes_on_while_another_view_is_shown(page, address):
    send_video(page, address)
    page.get_by_text("of 125 frames").wait_for()
    page.get_by_role("link", name="Photo").click()
    page.get_by_role("heading", name="Drop a photo").wait_for()
    page.get_by_role("link", name="Video").click()
    page.wait_for_selector(".lanes")
    page.get_by_role("link", name="Camera").click()
    page.get_by_role("heading", name="Move a face with yours").wait_for()
    page.get_by_role("link", name="Video").click()
    page.wait_for_selector(".lanes")
    assert page.locator(".lane").count() == 2
    with page.expect_download() as saved:
        page.get_by_role("link", name="faces.csv").click()
    assert saved.value.suggested_filename == "clip_faces.csv"
    assert len(Path(saved.value.path()).read_text().splitlines()) > 125


def test_a_video_goes_on_when_its_connection_is_cut(page, address):
    page.add_init_script(
        """window.sockets = [];
        window.WebSocket = class extends WebSocket {
            constructor(...given) { super(...given); window.sockets.push(this); }
        };"""
    )
    send_video(page, address)
    page.get_by_text("of 125 frames").wait_for()
    page.evaluate("window.sockets.at(-1).close()")
    page.get_by_text("The connection was lost. Trying again").wait_for()
    page.wait_for_selector(".lanes")
    assert page.locator(".problem").count() == 0


def test_files_of_a_video_that_are_gone_are_told(page, address):
    page.clock.install()
    send_video(page, address)
    page.wait_for_selector(".lanes")
    link = page.locator(".downloads a", has_text="faces.csv").get_attribute("href")
    page.clock.fast_forward("20:00")
    page.wait_for_timeout(500)
    assert page.locator(".problem").count() == 0
    id = link.split("/")[2]
    urllib.request.urlopen(urllib.request.Request(f"{address}api/videos/{id}", method="DELETE")).read()
    page.clock.fast_forward("20:00")
    page.get_by_text(
        "The studio keeps the files of this video no more. Send it again to save them."
    ).wait_for()


def test_work_that_is_not_finished_is_not_given_up_without_a_question(page, address):
    asked = []
    page.on("dialog", lambda dialog: (asked.append((dialog.type, dialog.message)), dialog.dismiss()))
    send_video(page, address)
    page.get_by_text("of 125 frames").wait_for()
    page.set_input_files("input[type=file]", ROOT / "examples" / "clip.mp4")
    wait_until(lambda: asked, "a question", pause=lambda: page.wait_for_timeout(100))
    (kind, question) = asked[0]
    assert kind == "confirm"
    assert question == "“clip.mp4” is not finished. Stop it, and begin with “clip.mp4”?"
    page.wait_for_selector(".lanes")
    assert page.locator(".problem").count() == 0


def opened_by_their_readers(files):
    """Open the files of a video, each with the program that it is for."""
    import pandas
    import trimesh

    for name, data in files.items():
        file = io.BytesIO(data)
        kind = name.rpartition(".")[2]
        if kind == "mp4":
            assert sum(1 for _ in VideoReader(file)) == 125, name
        elif kind in ("csv", "parquet"):
            table = pandas.read_csv(file) if kind == "csv" else pandas.read_parquet(file)
            assert table["frame"].nunique() == 125, name
        elif kind == "glb":
            assert len(trimesh.load(file, file_type="glb", force="mesh").vertices) > 3000, name
        elif kind == "png":
            assert decode_image(data).std() > 1, name
        elif kind == "html":
            assert data.startswith(b"<!doctype html>"), name
        else:
            assert name == "Everything"


def test_the_camera_moves_the_avatar(page, address):
    page.goto(address + "#camera")
    page.get_by_role("button", name="Start the camera").click()
    until(page, "window.studioMeters?.n >= 5")
    until(page, "window.studioViewer?.vertices(500).length > 0")
    before = page.evaluate("({...window.studioMeters})")
    first, since = vertices(page), time.monotonic()
    until(page, "n => window.studioMeters.n >= n", before["n"] + 40)
    after = page.evaluate("({...window.studioMeters})")
    seconds = time.monotonic() - since
    n, with_face = (after[name] - before[name] for name in ("n", "n_with_face"))
    assert with_face == n  # the clip shows a face in every frame
    # The rate is shown, and not asserted: it depends on what else the machine does.
    print(
        f"\n{n / seconds:.1f} frames a second, latency {after['latency_ms']:.0f} ms, load {os.getloadavg()}"
    )
    until(
        page,
        "first => window.studioViewer.vertices(20).some((v, k) => Math.abs(v - first[k]) > 0.002)",
        arg=first.ravel().tolist(),
    )
    page.get_by_role("button", name="Use my face").click()
    page.get_by_role("button", name="Calibrate").click()
    page.get_by_role("textbox", name="Address of the receiver").fill("127.0.0.1:9")
    page.get_by_role("button", name="Send").click()
    page.get_by_text("vmc://127.0.0.1:9").wait_for()
    assert serious(page) == []
    page.get_by_role("button", name="Stop", exact=True).first.click()
    page.get_by_role("button", name="Start the camera").wait_for()


def test_receivers_get_the_avatar_again_when_the_camera_starts_again(page, address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(0.1)
        url = f"osf://127.0.0.1:{receiver.getsockname()[1]}"

        def hears():
            with contextlib.suppress(TimeoutError):
                return len(receiver.recv(4096)) == 1785
            return False

        def wait_for_packets():
            wait_until(hears, "a packet", pause=lambda: page.wait_for_timeout(50))

        page.goto(address + "#camera")
        page.get_by_role("button", name="Start the camera").click()
        until(page, "window.studioMeters?.n >= 5")
        page.get_by_role("textbox", name="Address of the receiver").fill(url)  # whatever protocol is chosen
        page.get_by_role("button", name="Send", exact=True).click()
        wait_for_packets()
        page.get_by_role("button", name="Stop", exact=True).first.click()
        page.get_by_role("button", name="Start the camera").wait_for()
        wait_until(lambda: not hears(), "silence")
        page.get_by_role("button", name="Start the camera").click()
        wait_for_packets()
        assert page.locator(".targets li").count() == 1


@pytest.mark.parametrize("end", ["Stop", "Photo", "Stop recording"])
def test_a_recording_is_saved_however_it_ends(page, address, end):
    saved = []
    page.on("download", lambda download: saved.append(download))  # Playwright takes no built-in method
    page.goto(address + "#camera")
    page.get_by_role("button", name="Start the camera").click()
    until(page, "window.studioMeters?.n >= 5")
    page.get_by_role("button", name="Record").click()
    until(page, "n => window.studioMeters.n >= n", page.evaluate("window.studioMeters.n") + 20)
    role = "link" if end == "Photo" else "button"
    page.get_by_role(role, name=end, exact=True).first.click()
    wait_until(lambda: len(saved) == 2, "two files", pause=lambda: page.wait_for_timeout(100))
    files = {one.suggested_filename: Path(one.path()) for one in saved}
    assert set(files) == {"camera.csv", "camera.webm"}
    assert len(files["camera.csv"].read_text().splitlines()) > 10
    if end != "Photo":
        page.get_by_text(
            "Saved: camera.csv has a row per frame, camera.webm is what the avatar did."
        ).wait_for()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processor time is read from /proc")
def test_a_frame_with_a_face_costs_little_of_the_processor(browser, address):
    # A rate depends on what else a machine does; processor time does not. Two cores have 100 ms for each of
    # 20 frames a second: page, browser, networks, and drawing where there is no graphics card.
    with opened(browser) as page:
        page.goto(address + "#camera")
        page.get_by_role("button", name="Start the camera").click()
        until(page, "window.studioMeters?.n >= 20 && window.studioViewer?.drawings >= 5")
        before, start = page.evaluate("({...window.studioMeters})"), processor_seconds()
        until(page, "n => window.studioMeters.n >= n", before["n"] + 60)
        used, after = processor_seconds() - start, page.evaluate("({...window.studioMeters})")
    n = after["n"] - before["n"]
    assert after["n_with_face"] - before["n_with_face"] == n
    print(f"\n{1000 * used / n:.0f} ms of processor time a frame, {n / used:.1f} frames a processor second")
    assert used / n < 0.2  # with an avatar in simulated WebGL and the camera's own element: 0.8


def test_a_photo_is_walked_through_with_the_keyboard_alone(page, address):
    # Tab reaches every control once, a group of choices counts as one, and whatever has the focus shows it.
    page.goto(address + "#photo")
    page.wait_for_selector(".drop")
    page.set_input_files("input[type=file]", PHOTOS / "group.jpg")
    page.wait_for_selector(".people button:nth-child(4)")
    until(page, "window.studioViewer?.vertices(500).length > 0")
    page.wait_for_selector(".over[data-kind]")
    page.evaluate("document.activeElement.blur()")
    seen: list[str] = []
    for _ in range(80):
        page.keyboard.press("Tab")
        where = page.evaluate(
            """() => {
                const e = document.activeElement, style = getComputedStyle(e);
                if (e === document.body) return null;
                e.dataset.walked = String(Number(e.dataset.walked ?? 0) + 1);
                const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
                const name = e.getAttribute("aria-label") ?? e.innerText ?? "";
                return [name.trim(), e.dataset.walked, outlined];
            }"""
        )
        if where is None or where[1] != "1":
            break
        assert where[2], f"{where[0]}: the focus is not seen"
        seen.append(where[0])
    for name in ("Another photo", "Reset view", "Smile", "All expressions", "Everything as ZIP"):
        assert sum(name == text for text in seen) == 1, (name, seen)
    assert sum(text.startswith("Face ") for text in seen) == 1 + 1  # the chosen outline and thumbnail
    assert page.get_by_role("radiogroup", name="Faces in the photo").get_by_role("radio").count() == 4
    page.locator(".faces g[tabindex='0']").focus()
    for key, face in (("ArrowRight", 1), ("End", 3), ("ArrowDown", 0), ("ArrowLeft", 3), ("Home", 0)):
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.dataset.face") == str(face)
        assert page.get_attribute(f".faces g[data-face='{face}']", "aria-checked") == "true"
        assert page.locator(".faces g[tabindex='0']").count() == 1
    before = page.locator(".numbers").inner_text()
    page.locator(".people button[tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(".faces g[data-face='1'][aria-checked=true]")
    assert page.evaluate("document.activeElement.getAttribute('aria-checked')") == "true"
    assert page.locator(".numbers").inner_text() != before
    page.get_by_text("All expressions").focus()
    page.keyboard.press("Enter")
    page.locator("input[data-expression=jawOpen]").focus()
    rest = vertices(page)
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert np.abs(vertices(page) - rest).max() > 0.001


def test_a_recording_of_the_avatar_opens_in_a_reader(page, address):
    page.goto(address + "#camera")
    page.get_by_role("button", name="Start the camera").click()
    until(page, "window.studioMeters?.n >= 5 && window.studioViewer?.drawings >= 2")
    saved = []
    page.on("download", lambda download: saved.append(download))
    page.get_by_role("button", name="Record", exact=True).click()
    drawn = page.evaluate("window.studioViewer.drawings")
    until(page, "n => window.studioViewer.drawings >= n + 8", drawn)
    page.wait_for_timeout(1200)
    page.get_by_role("button", name="Stop recording").click()
    wait_until(lambda: len(saved) == 2, "two files", pause=lambda: page.wait_for_timeout(100))
    files = {one.suggested_filename: Path(one.path()).read_bytes() for one in saved}
    assert set(files) == {"camera.webm", "camera.csv"}
    images = [frame.image for frame in VideoReader(io.BytesIO(files["camera.webm"]))]
    assert len(images) >= 3
    assert images[-1].std() > 5  # the avatar, on its background
    assert any((image != images[0]).any() for image in images)  # it moves
    assert len(files["camera.csv"].splitlines()) > 3
    # A camera that is stopped while it records leaves no button that says it still does.
    page.get_by_role("button", name="Record", exact=True).click()
    page.get_by_role("button", name="Stop recording").wait_for()
    page.get_by_role("button", name="Stop", exact=True).first.click()
    page.get_by_role("button", name="Start the camera").click()
    page.get_by_role("button", name="Record", exact=True).wait_for()


def test_what_is_pasted_or_dropped_is_opened(page, address):
    page.goto(address + "#photo")
    photo = base64.b64encode((PHOTOS / "astronaut.jpg").read_bytes()).decode()
    for kind in ("paste", "drop"):
        page.wait_for_selector(".drop" if kind == "paste" else ".faces g")
        page.evaluate(GIVE_FILE, [kind, photo, f"{kind}ed.jpg", "image/jpeg"])
        page.wait_for_selector(f".downloads a[href*='stem={kind}ed']")
        assert page.locator(".faces g").count() == 1
    page.goto(address + "#video")
    page.wait_for_selector(".drop .chip")
    page.evaluate(GIVE_FILE, ["drop", base64.b64encode(b"no video").decode(), "a.mp4", "video/mp4"])
    page.get_by_role("alert").wait_for()  # it was taken, and what is wrong with it is told


def test_a_whole_head_is_shown_and_keeps_its_expression(page, address):
    open_photo(page, address)
    face = vertices(page)
    page.get_by_role("button", name="Smile", exact=True).click()
    page.get_by_role("button", name="Whole head").click()
    until(page, "n => window.studioViewer.vertices(20).length > n", 1.3 * face.size)
    assert page.locator("input[data-expression=mouthSmileLeft]").input_value() == "0.8"
    head = vertices(page)
    assert np.ptp(head[:, 2]) > 1.4 * np.ptp(face[:, 2])  # there is a back of the head
    page.get_by_role("button", name="Whole head").click()
    until(page, "n => window.studioViewer.vertices(20).length === n", face.size)


def test_the_avatar_for_obs_is_alone_on_a_transparent_page(page, address):
    page.goto(address + "?obs=1")
    until(page, "window.studioMeters?.n >= 2")  # no other window has a camera: it takes one
    from PIL import Image

    def avatar() -> list[np.ndarray]:
        data = page.screenshot(omit_background=True, timeout=PATIENCE_MS)
        alpha = np.array(Image.open(io.BytesIO(data)).convert("RGBA"))[..., 3]
        return [alpha] if (alpha > 200).mean() > 0.05 else []

    (alpha,) = wait_until(avatar, "the avatar", pause=lambda: page.wait_for_timeout(100))
    assert (alpha[:20] == 0).all()
    assert (alpha[:, :20] == 0).all()
    assert page.locator("button, a, input").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_is_accessible_and_fits_a_phone(browser, address, scheme):
    with opened(browser, 390, 844, scheme) as page:
        for view in ("photo", "video", "camera"):
            page.goto(f"{address}#{view}")
            page.wait_for_selector(".drop")
            assert page.title().lower().startswith(view)
            assert serious(page) == [], view
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view
        open_photo(page, address)
        page.get_by_text("All expressions").click()
        assert serious(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_long_name_is_no_wider_than_a_phone(browser, address, tmp_path):
    file = tmp_path / f"{'long' * 50}.mp4"
    shutil.copy(ROOT / "examples" / "clip.mp4", file)
    with opened(browser, width=390) as page:
        send_video(page, address, file)
        for shown in (".progress", ".lanes"):
            page.wait_for_selector(shown)
            assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_the_report_of_a_video_opens_without_a_server(browser, tmp_path):
    from tddfa.streams.sinks.timeline import report_bytes
    from tddfa.streams.timeline import Person, Timeline

    n = 200
    wave = np.sin(np.linspace(0, 20, n)).astype(np.float32)
    values = {"yaw_deg": 30 * wave, "jawOpen": np.abs(wave)}
    person = Person(0, np.full((112, 112, 3), 90, np.uint8), np.ones(n, bool), values)
    file = tmp_path / "report.html"
    # A part of a video that begins at 10 s.
    times = 10 + np.arange(n) / 25
    file.write_bytes(report_bytes(Timeline("a <b>clip</b>", times, (50,), tuple(values), (person,))))
    with opened(browser) as page:
        page.goto(file.as_uri())
        assert page.get_by_role("heading", level=1).inner_text() == "a <b>clip</b>"
        assert page.locator(".chart path").count() == 2
        assert page.locator(".lane .cut").count() == 1
        assert "0:08.0" in page.locator("header").inner_text()
        labels = page.locator(".ticks").inner_text().split()
        assert (labels[0], labels[-1]) == ("0:10.0", "0:18.0")
        page.get_by_role("slider").fill("12")
        assert "0:12.0" in page.locator(".legend").inner_text()
        assert page.locator(".chart .playhead").get_attribute("x1") == "250"
        assert serious(page) == []
