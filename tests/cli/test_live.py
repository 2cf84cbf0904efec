"""`tddfa live` and `tddfa webcam` without a camera: a file as source, pygame's dummy screen as window."""

from __future__ import annotations

import csv
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import toys
from clips import write_clip
from tddfa.cli.live import LatencyMeter
from tddfa.cli.main import main
from tddfa.streams import Avatar, TrackedFrame, destinations
from tddfa.streams.destinations import Destination, Sender
from waiting import PATIENCE_S, wait_until


@pytest.fixture(autouse=True)
def with_toy_pack(toy_pack, packs_folder):
    shutil.copytree(toy_pack.folder, packs_folder / "3ddfa-v2-mb05")


@pytest.fixture
def clip(tmp_path) -> Path:
    return write_clip(tmp_path / "a.mp4", [toys.image()] * 8)


@pytest.fixture
def never_late(monkeypatch):
    """A machine that stands still for a while makes frames late, which are then skipped: here none is."""
    monkeypatch.setattr("tddfa.streams.live._LATE_S", math.inf)


class Collects:
    """A protocol that keeps what it is sent."""

    needs_image = False
    opened: list[Collects] = []  # noqa: RUF012

    def __init__(self, destination: Destination, *, avatar: Avatar | None) -> None:
        self.destination, self.frames, self.closed = destination, [], False
        self.opened.append(self)

    def __enter__(self) -> Collects:
        return self

    def write(self, frame: TrackedFrame) -> None:
        self.frames.append(frame)

    def __exit__(self, *_: object) -> None:
        self.closed = True


@pytest.fixture
def protocol(monkeypatch) -> list[Collects]:
    monkeypatch.setattr(Collects, "opened", [])
    module = sys.modules[__name__]
    monkeypatch.setitem(sys.modules, "a_protocol", module)
    monkeypatch.setitem(destinations.SENDERS, "test", Sender("a_protocol", "Collects", 1234))
    return Collects.opened


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("command", ["live", "webcam"])
def test_the_command_plays_a_file_in_a_window(clip, monkeypatch, command):
    pytest.importorskip("pygame", reason="needs the webcam extra")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    assert main([command, "--source", str(clip)]) == 0


def test_a_recorded_clip_has_the_rows_of_tddfa_video(clip, never_late, tmp_path, capsys):
    record = tmp_path / "live.csv"
    assert main(["live", "--source", str(clip), "--record", str(record)]) == 0
    out = capsys.readouterr()
    assert out.out.splitlines() == [str(record)]
    assert "8 frames, 0 dropped; latency from capture to sink" in out.err
    assert main(["video", str(clip), "--data", "csv", "-d", str(tmp_path)]) == 0
    assert rows(record) == rows(tmp_path / "a.csv")


def test_every_destination_gets_every_frame(clip, never_late, protocol):
    urls = ["--to", "test://here", "--to", "test://[::1]:99?name=x"]
    assert main(["live", "--source", str(clip), *urls]) == 0
    first, second = protocol
    assert str(first.destination) == "test://here:1234"
    assert str(second.destination) == "test://[::1]:99"
    assert second.destination.options == {"name": "x"}
    for sink in protocol:
        assert sink.closed
        assert [frame.index for frame in sink.frames] == list(range(8))
        assert all(frame.captured and frame.image is None for frame in sink.frames)


@pytest.mark.skipif(sys.platform == "win32", reason="no process is known to have ended")
def test_what_killed_runs_left_beside_the_record_is_swept(clip, never_late, tmp_path):
    folder = tmp_path / "tables"
    folder.mkdir()
    code = (
        "import os, sys; from tddfa.files import atomic_path\n"
        "with atomic_path(sys.argv[1]) as path: path.write_text('half'); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code, str(folder / "live.csv")], check=False)
    assert len(list(folder.iterdir())) == 1
    assert main(["live", "--source", str(clip), "--record", str(folder / "live.csv")]) == 0
    assert [path.name for path in folder.iterdir()] == ["live.csv"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--to", "fax://here"], "begins with one of livelink://, vmc://, osf://, ws://, test://"),
        (["--to", "test://"], "names no host"),
        (["--to", "test://here:port"], "is not an address"),
        (["--to", "test://here:99999"], "is not an address"),
        (["--record", "a.xls"], "ends in .csv"),
        (["--camera", "1"], "not allowed with argument"),
        (["--camera", "0"], "not allowed with argument"),
        (["-o", "4d"], "invalid choice"),
        (["--source", "b.mp4"], "--source may be given once"),
    ],
)
def test_wrong_usage_says_what_is_possible(clip, protocol, capfd, arguments, text):
    with pytest.raises(SystemExit) as ended:
        main(["live", "--source", str(clip), *arguments])
    assert ended.value.code == 2
    assert text in capfd.readouterr().err
    with pytest.raises(SystemExit):
        main(["live", "--loop"])
    assert "--loop needs --source" in capfd.readouterr().err


@pytest.mark.parametrize(
    "url", ["rtsp://camera.invalid/1", "RTMP://host/live", "udp://@:1234", "srt://host:1"]
)
def test_a_stream_without_an_end_is_not_played_in_a_loop(capfd, url):
    with pytest.raises(SystemExit) as ended:
        main(["live", "--source", url, "--loop"])
    assert ended.value.code == 2
    told = capfd.readouterr().err.splitlines()[-1]
    assert told.endswith(
        f"--loop plays files, and {url} is a stream, which is followed until it ends; leave --loop out"
    )


def test_networks_run_on_the_device_that_is_named(clip, tmp_path, monkeypatch, capfd):
    record = ["--source", str(clip), "--record", str(tmp_path / "a.csv")]
    assert main(["live", *record, "--device", "toaster"]) in (1, 2)
    error = capfd.readouterr().err
    assert "toaster" in error
    assert "cpu" in error
    assert len(error.strip().splitlines()) == 1
    assert main(["live", *record, "--device", "cpu"]) == 0


def test_a_camera_that_is_not_there_is_one_line(capfd):
    for command in ("live", "webcam"):
        assert main([command, "--camera", "97"]) == 1
        error = capfd.readouterr().err
        assert error.startswith("tddfa: error: cannot open camera 97")
        assert len(error.splitlines()) == 1


def test_a_file_that_is_cut_off_is_one_line_and_keeps_its_record(tmp_path, capfd):
    whole = write_clip(tmp_path / "whole.mkv", [toys.image()] * 40).read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[: len(whole) * 9 // 10])
    record = tmp_path / "live.csv"
    assert main(["live", "--source", str(cut), "--record", str(record)]) == 1
    errors = [line for line in capfd.readouterr().err.splitlines() if "error" in line]
    assert len(errors) == 1
    assert errors[0].startswith(f"tddfa: error: {cut} is cut off or damaged: ")
    assert rows(record)


def test_a_file_that_is_cut_off_and_played_in_a_loop_is_told_once(tmp_path, protocol, monkeypatch, capfd):
    whole = write_clip(tmp_path / "whole.mkv", [toys.image()] * 40, rate=200).read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[: len(whole) * 9 // 10])
    assert main(["video", str(cut), "--data", "csv", "-d", str(tmp_path)]) == 1
    damage = capfd.readouterr().err.strip().splitlines()[-1].removesuffix("; the outputs hold these")
    assert " is cut off or damaged: " in damage
    n_frames = len({row["frame"] for row in rows(tmp_path / "cut.csv")})

    def until_the_fourth_round(self: Collects, frame: TrackedFrame) -> None:
        self.frames.append(frame)
        if len(self.frames) == 3 * n_frames + 1:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Collects, "write", until_the_fourth_round)
    assert main(["live", "--source", str(cut), "--loop", "--to", "test://here"]) == 130
    assert [line for line in capfd.readouterr().err.splitlines() if "error" in line] == [damage]
    assert len(protocol[0].frames) > 3 * n_frames


def test_a_loop_over_a_file_without_a_readable_frame_ends_with_one_line(clip, tmp_path, protocol, capfd):
    data = clip.read_bytes()
    start = data.index(b"mdat") + 4
    broken = tmp_path / "broken.mp4"
    size = int.from_bytes(data[start - 8 : start - 4], "big") - 8
    broken.write_bytes(data[:start] + bytes(size) + data[start + size :])
    assert main(["live", "--source", str(broken), "--loop", "--to", "test://here"]) == 1
    errors = [line for line in capfd.readouterr().err.splitlines() if "error" in line]
    assert errors == [f"tddfa: error: {broken} has a video track, but not one frame in it can be read"]
    assert protocol[0].frames == []
    assert protocol[0].closed


def test_a_source_without_a_frame_leaves_an_earlier_record(clip, tmp_path, capfd):
    record = tmp_path / "live.csv"
    assert main(["live", "--source", str(clip), "--record", str(record)]) == 0
    before = record.read_bytes()
    data = clip.read_bytes()
    start = data.index(b"mdat") + 4
    size = int.from_bytes(data[start - 8 : start - 4], "big") - 8
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(data[:start] + bytes(size) + data[start + size :])
    capfd.readouterr()
    assert main(["live", "--source", str(broken), "--record", str(record)]) == 1
    out = capfd.readouterr()
    assert out.out == ""
    assert "not one frame in it can be read" in out.err
    assert record.read_bytes() == before
    assert not list(tmp_path.glob(".tddfa-*"))


def test_what_can_be_read_only_once_is_not_played_in_a_loop(clip, protocol, monkeypatch, capfd):
    with clip.open("rb") as piped:
        monkeypatch.setattr(sys, "stdin", piped)
        assert main(["live", "--source", "-", "--loop", "--to", "test://here"]) == 1
    assert capfd.readouterr().err == (
        "tddfa: error: --loop plays files, and standard input can be read only once; save it to a file\n"
    )


def test_a_camera_in_place_of_a_file_and_a_file_in_place_of_a_camera_are_told(clip, protocol, capfd):
    for arguments, advice in (
        (["--source", "7"], "no such file: 7; the camera of that number is --camera 7"),
        (["--camera", str(clip)], f"{clip} is a file, not a camera; play it with --source"),
    ):
        assert main(["live", *arguments, "--to", "test://here"]) == 1
        assert capfd.readouterr().err == f"tddfa: error: {advice}\n"


def test_a_calibration_that_is_not_finished_is_told(clip, protocol, capfd):
    assert main(["live", "--source", str(clip), "--to", "test://here", "--calibrate"]) == 0
    lines = capfd.readouterr().err.splitlines()
    told = "--calibrate needs a face that is visible for 2 seconds"
    assert [line for line in lines if "no calibration is saved" in line and told in line] == lines[-1:]
    assert main(["live", "--source", str(clip), "--to", "test://here"]) == 0
    assert told not in capfd.readouterr().err


def test_without_pygame_it_says_what_to_install(clip, monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, "pygame", None)
    assert main(["webcam", "--source", str(clip)]) == 1
    assert "pip install 'tddfa[webcam]'" in capfd.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_endless_show_ends_with_one_signal_and_keeps_its_record(clip, tmp_path, number):
    record = tmp_path / "live.csv"
    process = endless_show(clip, record, stderr=subprocess.PIPE, text=True)
    wait_for_record(process, record)
    process.send_signal(number)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert_whole(record)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGHUP")
def test_a_terminal_that_closes_leaves_the_record_whole(clip, tmp_path):
    import pty

    record = tmp_path / "live.csv"
    ours, theirs = pty.openpty()
    process = endless_show(clip, record, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    wait_for_record(process, record)
    process.send_signal(signal.SIGHUP)
    os.close(ours)  # from now on, writing to the terminal is an error
    process.send_signal(signal.SIGHUP)  # one from the system, one from the shell
    assert process.wait(PATIENCE_S) == 130
    assert_whole(record)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGHUP")
def test_nohup_keeps_a_show_running_when_its_terminal_closes(clip, tmp_path):
    record = tmp_path / "live.csv"
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as `nohup` does; it is inherited
    try:
        process = endless_show(clip, record)
    finally:
        signal.signal(signal.SIGHUP, before)
    wait_for_record(process, record)
    process.send_signal(signal.SIGHUP)
    size = unfinished_bytes(record)
    wait_until(lambda: process.poll() is not None or unfinished_bytes(record) > size, "more frames")
    assert process.poll() is None
    process.terminate()
    assert process.wait(PATIENCE_S) == 130
    assert_whole(record)


def endless_show(clip, record, **options):
    command = [sys.executable, "-m", "tddfa", "live", "--source", str(clip), "--loop"]
    return subprocess.Popen([*command, "--record", str(record), "--pack", "3ddfa-v2-mb05"], **options)


def unfinished_bytes(record):
    return max((file.stat().st_size for file in record.parent.glob(".tddfa-*")), default=0)


def wait_for_record(process, record):
    """Wait until a good part of the record is written."""
    wait_until(lambda: process.poll() is not None or unfinished_bytes(record) > 40_000, "a record")


def assert_whole(record):
    frames = [int(row["frame"]) for row in rows(record)]
    assert len(frames) > 8
    assert frames == sorted(frames)
    assert not any(record.parent.glob(".tddfa-*"))


def test_latency_is_measured_in_quantiles():
    meter = LatencyMeter()
    assert meter.quantile_ms(0.5) == 0
    now = time.perf_counter()
    for ms in [5] * 98 + [50] * 2:
        meter.write(TrackedFrame(0, 0.0, None, (), time.perf_counter() - ms / 1000))
    spent = 1000 * (time.perf_counter() - now)
    assert 5 <= meter.quantile_ms(0.5) <= 5.1 + spent
    assert 50 <= meter.quantile_ms(0.99) <= 50.1 + spent
    assert "100 frames, 3 dropped" in meter.summary(3)
