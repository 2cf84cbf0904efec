"""Where videos come from: pipes, standard input, URLs, file objects; each that fails ends, in one line."""

from __future__ import annotations

import http.server
import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from clips import sample_images, write_clip
from tddfa.errors import VideoFileError
from tddfa.video import Camera, VideoReader
from waiting import PATIENCE_S


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> bytes:
    """A video that can be read from its start to its end, without seeking."""
    folder = tmp_path_factory.mktemp("clips")
    return write_clip(folder / "a.ts", sample_images(20), options={"crf": "20", "bf": "0"}).read_bytes()


def test_standard_input_is_read_once(clip):
    code = (
        "from tddfa.video import VideoReader\n"
        "from tddfa.errors import VideoFileError\n"
        "reader = VideoReader('-')\n"
        "print(len(list(reader)), reader.repeatable, reader.damage)\n"
        "try:\n    list(reader)\nexcept VideoFileError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], input=clip, capture_output=True, timeout=PATIENCE_S)
    assert done.stdout.decode().splitlines() == [
        "20 False None",
        "standard input can be read only once; save it to a file to read it again",
    ]


def test_standard_input_that_is_empty_or_no_video_is_one_line():
    code = (
        "from tddfa.video import VideoReader\n"
        "from tddfa.errors import VideoFileError\n"
        "try:\n    VideoReader('-')\nexcept VideoFileError as error:\n    print(error)\n"
    )
    for data in (b"", b"nothing to see here\n" * 100):
        done = subprocess.run(
            [sys.executable, "-c", code], input=data, capture_output=True, timeout=PATIENCE_S
        )
        assert done.stdout.decode() == "standard input is no video, or is cut off or damaged\n"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this platform has no FIFO")
def test_a_fifo_is_read_and_one_without_a_writer_is_given_up(tmp_path, clip):
    path = tmp_path / "pipe.ts"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(clip,))
    writer.start()
    assert len(list(VideoReader(path))) == 20
    writer.join()
    with pytest.raises(VideoFileError, match=r"pipe.ts gave no data for 0.3 s"):
        VideoReader(path, timeout_s=0.3)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this platform has no FIFO")
def test_a_video_whose_index_is_at_its_end_cannot_be_streamed_and_says_so(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (20, 120, 160, 3), np.uint8)
    data = write_clip(tmp_path / "a.mp4", list(noise)).read_bytes()
    path = tmp_path / "pipe.mp4"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(data,), daemon=True)
    writer.start()
    with pytest.raises(VideoFileError, match=r"pipe.mp4 is cut off or damaged; .* save it to a file first$"):
        list(VideoReader(path))
    writer.join()


def test_file_objects_are_read(clip):
    reader = VideoReader(io.BytesIO(clip))
    assert len(list(reader)) == len(list(reader)) == 20

    class Pipe:
        name = "upload"

        def __init__(self) -> None:
            self.read = io.BytesIO(clip).read

    reader = VideoReader(Pipe())  # type: ignore[arg-type]
    assert not reader.repeatable
    assert len(list(reader)) == 20


class Server:
    """A web server of one answer, which it may stop in the middle of."""

    def __init__(self, data: bytes, *, status: int = 200, stall_at: int | None = None) -> None:
        self.over = threading.Event()
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data[:stall_at])
                if stall_at is not None:
                    server.over.wait(PATIENCE_S)

            def log_message(self, *_: object) -> None:
                pass

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}/clip.ts"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._http.shutdown()
        self._http.server_close()


def test_a_url_is_read_again_and_again(clip):
    with Server(clip) as server:
        reader = VideoReader(server.url)
        assert [len(list(reader)) for _ in range(2)] == [20, 20]


def test_a_url_that_is_not_there_is_one_line(clip):
    with Server(clip, status=404) as server, pytest.raises(VideoFileError, match="404") as caught:
        VideoReader(server.url)
    assert "\n" not in str(caught.value)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(VideoFileError, match=r"(refused|cannot reach)"):
        VideoReader(f"http://127.0.0.1:{port}/a.mp4", timeout_s=5)
    with pytest.raises(VideoFileError, match="the protocol 'gopher7' is unknown; use http"):
        VideoReader("gopher7://example/a.mp4")
    for url in ("concat://a", "subfile://a", "pipe://0"):
        with pytest.raises(VideoFileError, match="is not read"):
            VideoReader(url)


def test_a_server_that_falls_silent_ends_the_video_and_says_so(clip):
    with Server(clip, stall_at=len(clip) - 188 * 4) as server:
        reader = VideoReader(server.url, timeout_s=1.0)
        n = len(list(reader))
    assert 10 <= n < 20
    assert reader.damage is not None
    assert f"{n} frames" in reader.damage


def test_a_server_that_never_answers_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a.ts"
        with pytest.raises(VideoFileError, match=r"gave no data for 0\.5 s"):
            VideoReader(url, timeout_s=0.5)
        with pytest.raises(VideoFileError, match=r"cannot open camera .* gave no data for 0.5 s"):
            Camera(url, timeout_s=0.5)


def test_a_network_camera_that_falls_silent_is_reached_again(clip):
    with Server(clip, stall_at=len(clip) - 188 * 4) as server:
        frames = iter(Camera(server.url, timeout_s=0.5, patience_s=10))
        first = next(frames)
        later = next(frames)  # from the second connection: the first one gave its newest and fell silent
        assert later.index > first.index
        assert later.image.shape == first.image.shape == (48, 64, 3)
        frames.close()


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_the_first_ctrl_c_ends_the_wait_for_a_silent_network():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        for waiting in (f"VideoReader({url!r}, timeout_s=1e6)", f"Camera({url!r}, timeout_s=1e6)"):
            code = (
                "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
                f"from tddfa.video import Camera, VideoReader\nprint('up', flush=True)\n{waiting}\n"
            )
            process = subprocess.Popen(
                [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            assert process.stdout is not None
            process.stdout.readline()
            connection = silent.accept()
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=PATIENCE_S)
            assert "KeyboardInterrupt" in errors
            connection[0].close()


def test_devices_and_folders_are_no_videos(tmp_path):
    with pytest.raises(VideoFileError, match="is a folder"):
        VideoReader(tmp_path)
    if Path("/dev/zero").exists():
        with pytest.raises(VideoFileError, match="is a device, not a video"):
            VideoReader("/dev/zero")


def test_frames_of_a_camera_are_upright(tmp_path):
    image = np.zeros((64, 48, 3), np.uint8)
    image[:20] = 200
    path = write_clip(tmp_path / "a.mp4", [np.ascontiguousarray(np.rot90(image, -1))] * 3, rotation=90)
    frames = iter(Camera(f"file://{path}"))
    assert next(frames).image.shape == image.shape
    frames.close()
