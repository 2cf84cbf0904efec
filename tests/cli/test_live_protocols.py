"""`tddfa live --to …` on a clip: what receivers get equals the table of `tddfa video`."""

from __future__ import annotations

import csv
import json
import math
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from clips import write_clip
from live_faces import OSF_TRACKER_ROW, read_osc
from tddfa.cli.main import main
from tddfa.export.capture import ARKIT_SHAPES
from tddfa.export.livelink import SHAPES
from tddfa.imaging import read_image
from tddfa.streams import RealTimeFrames
from tddfa.streams.avatar_calibration import calibration_path
from waiting import PATIENCE_S

PHOTO = Path(__file__).parents[2] / "examples" / "photos" / "hopper.jpg"
N = 6


@pytest.fixture(autouse=True)
def never_late(monkeypatch):
    """A busy machine may play the clip slowly: no frame is skipped."""
    monkeypatch.setattr("tddfa.streams.live._LATE_S", math.inf)


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    photo = read_image(PHOTO)
    wide = np.pad(photo, ((0, 0), (20, 20), (0, 0)), mode="edge")
    images = [wide[: photo.shape[0] // 2 * 2, k : k + photo.shape[1] // 2 * 2] for k in range(0, 2 * N, 2)]
    return write_clip(tmp_path_factory.mktemp("live") / "clip.mp4", images)


@pytest.fixture(scope="module")
def table(clip) -> list[dict[str, str]]:
    assert main(["video", str(clip), "--data", "csv,livelink", "-d", str(clip.parent)]) == 0
    rows = read_csv(clip.with_suffix(".csv"))
    assert [row["success"] for row in rows] == ["1"] * N
    return rows


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def receiver():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        end.bind(("127.0.0.1", 0))
        end.settimeout(PATIENCE_S)
        yield end


def port_of(end: socket.socket) -> int:
    return end.getsockname()[1]


def live(clip: Path, *arguments: str) -> int:
    return main(["live", "--source", str(clip), *arguments])


def test_live_link_has_the_numbers_of_the_table(clip, table, receiver):
    assert live(clip, "--to", f"livelink://127.0.0.1:{port_of(receiver)}") == 0
    for row in table:
        values = np.frombuffer(receiver.recv(65536)[-61 * 4 :], ">f4")
        for name, value in zip(SHAPES, values, strict=False):
            assert value == pytest.approx(float(row[name]), abs=6e-7), name
        angles = [-float(row["yaw_deg"]), float(row["pitch_deg"]), -float(row["roll_deg"])]
        assert values[52:55] == pytest.approx(np.radians(angles), abs=1e-6)


def test_vmc_has_the_numbers_of_the_table(clip, table, receiver):
    assert live(clip, "--to", f"vmc://127.0.0.1:{port_of(receiver)}?shapes=arkit") == 0
    for row in table:
        values: dict[str, float] = {}
        messages = [("", [])]
        while messages[-1][0] != "/VMC/Ext/Blend/Apply":
            messages = read_osc(receiver.recv(65536))
            values |= {m[1][0]: m[1][1] for m in messages if m[0] == "/VMC/Ext/Blend/Val"}
        assert values == pytest.approx({name: float(row[name]) for name in SHAPES}, abs=6e-7)


def test_openseeface_has_the_landmarks_of_the_table(clip, table, receiver):
    assert live(clip, "--to", f"osf://127.0.0.1:{port_of(receiver)}") == 0
    for row in table:
        (face,) = np.frombuffer(receiver.recv(65536), OSF_TRACKER_ROW)
        expected = [[float(row[f"{axis}_{k}"]) for axis in "xy"] for k in range(48)]
        assert face["lms"][:48] == pytest.approx(np.array(expected), abs=1e-4)
        assert face["blink"] == pytest.approx(
            [1 - float(row["eyeBlinkRight"]), 1 - float(row["eyeBlinkLeft"])], abs=1e-6
        )


@pytest.fixture
def browser(monkeypatch):
    """Paths of a WebSocket → its messages, from the first frame on: the clip waits for the clients."""
    connect = pytest.importorskip("websockets.sync.client", reason="needs websockets").connect
    with socket.socket() as end:
        end.bind(("127.0.0.1", 0))
        port = port_of(end)
    messages: dict[str, list[str | bytes]] = {"/": [], "/floats": [], "/?landmarks": []}
    ready = threading.Barrier(len(messages) + 1, timeout=PATIENCE_S)

    def listen(path: str) -> None:
        while True:
            try:
                client = connect(f"ws://127.0.0.1:{port}{path}")
                break
            except ConnectionRefusedError:
                time.sleep(0.01)
        # A pong: the server has read what came before it, so the next frame goes to this client.
        assert client.ping().wait(PATIENCE_S)
        ready.wait()
        with client:
            messages[path] += client

    play = RealTimeFrames.__iter__

    def play_when_all_listen(frames: RealTimeFrames):
        ready.wait()
        return play(frames)

    monkeypatch.setattr(RealTimeFrames, "__iter__", play_when_all_listen)
    threads = [threading.Thread(target=listen, args=(path,), daemon=True) for path in messages]
    for thread in threads:
        thread.start()

    def messages_of_clients() -> dict[str, list[str | bytes]]:
        for thread in threads:
            thread.join(PATIENCE_S)
        return messages

    return f"ws://127.0.0.1:{port}", messages_of_clients


def test_the_websocket_has_the_numbers_of_the_table(clip, table, browser):
    url, messages_of_clients = browser
    assert live(clip, "--to", url) == 0
    messages = messages_of_clients()
    assert [len(of_path) for of_path in messages.values()] == [N] * 3
    for row, text, packed, long in zip(table, *messages.values(), strict=True):
        (face,) = json.loads(text)["faces"]
        assert face["shapes"] == pytest.approx({name: float(row[name]) for name in SHAPES}, abs=1e-6)
        angles = [float(row[f"{angle}_deg"]) for angle in ("yaw", "pitch", "roll")]
        assert [face["head"][f"{a}_deg"] for a in ("yaw", "pitch", "roll")] == pytest.approx(angles, abs=2e-6)
        numbers = np.frombuffer(packed, "<f4")[-len(ARKIT_SHAPES) :]
        assert numbers == pytest.approx([float(row[name]) for name in ARKIT_SHAPES], abs=1e-6)
        landmarks = np.array(json.loads(long)["faces"][0]["landmarks"])
        expected = [[float(row[f"{axis}_{k}"]) for axis in "xy"] for k in range(68)]
        assert landmarks[:, :2] == pytest.approx(np.array(expected), abs=0.0051)  # two decimals


def test_the_csv_of_live_link_has_the_numbers_of_the_table(clip, table):
    rows = read_csv(clip.with_name("clip_livelink.csv"))
    assert len(rows) == N
    for ours, row in zip(rows, table, strict=True):
        for name in SHAPES:
            assert float(ours[name[0].upper() + name[1:]]) == pytest.approx(float(row[name]), abs=6e-7)
        assert float(ours["HeadPitch"]) == pytest.approx(math.radians(float(row["pitch_deg"])), abs=1e-7)


def test_several_receivers_and_a_table_get_the_same_frames(clip, table, receiver, tmp_path):
    url = f"livelink://127.0.0.1:{port_of(receiver)}"
    record = tmp_path / "take.csv"
    assert live(clip, "--to", url, "--to", url + "?subject=two", "--record", str(record)) == 0
    assert read_csv(record) == table
    first, second = zip(*[(receiver.recv(65536), receiver.recv(65536)) for _ in table], strict=True)
    assert [data[-244:] for data in first] == [data[-244:] for data in second]


def test_gains_mirror_and_calibration_change_what_is_sent_and_not_the_table(
    clip, table, receiver, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    url = f"livelink://127.0.0.1:{port_of(receiver)}"
    record = tmp_path / "take.csv"
    options = ["--gain", "mouthSmile*=0.5", "--mirror", "--record", str(record)]
    assert live(clip, "--to", url, *options) == 0
    assert read_csv(record) == table
    values = dict(zip(SHAPES, np.frombuffer(receiver.recv(65536)[-244:], ">f4"), strict=False))
    assert values["mouthSmileLeft"] == pytest.approx(float(table[0]["mouthSmileRight"]) / 2, abs=1e-6)
    capsys.readouterr()
    monkeypatch.setattr("tddfa.streams.avatar.CALIBRATION_S", 2 / 30)
    assert live(clip, "--to", url, "--calibrate", "--person", "ann") == 0
    err = capsys.readouterr().err
    assert "look ahead with a face at rest" in err
    assert "use it again with --person ann" in err
    saved = json.loads(calibration_path("ann").read_text())
    median = sorted(float(row["jawOpen"]) for row in table[:3])[1]
    assert saved["shapes"]["jawOpen"] == pytest.approx(min(max(median, 0), 0.9), abs=1e-6)
    assert live(clip, "--to", url, "--person", "ann") == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--gain", "jaw=2"], "no ARKit expression matches 'jaw'"),
        (["--dead-zone", "x"], "'x' is not NAME=NUMBER or a number"),
        (["--face", "biggest"], "neither the ID of a face"),
    ],
)
def test_texts_that_mean_nothing_are_wrong_usage(clip, capsys, arguments, told):
    with pytest.raises(SystemExit) as ended:
        live(clip, "--to", "vmc://127.0.0.1", *arguments)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--calibrate"], "--calibrate changes what is sent; it needs --to"),
        (["--gain", "1"], "--gain changes what is sent"),
        (["--face", "0"], "--face changes what is sent"),
        (["--hold", "2"], "--hold changes what is sent"),
        (["--smooth", "none", "--smooth-strength", "2"], "--smooth-strength needs --smooth one-euro"),
        (["--record", "a.csv", "--mirror"], "--mirror changes what is shown and sent; it needs -o or --to"),
        (["--record", "a.csv", "-d", "snapshots"], "--dir is where snapshots of the window go; it needs -o"),
    ],
)
def test_options_that_nothing_would_heed_are_wrong_usage(clip, capsys, arguments, told):
    with pytest.raises(SystemExit) as ended:
        live(clip, *arguments)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--to", "livelink://no-such-host.invalid"], "cannot send to livelink://no-such-host.invalid:11111"),
        (["--to", "vmc://127.0.0.1?x=1"], "vmc://127.0.0.1:39539 has no option 'x'"),
        (["--to", "vmc://127.0.0.1", "--head-gain", "-1"], "the head gain is -1; it takes 0 to 10"),
        (["--to", "vmc://127.0.0.1", "--person", "nobody-there"], "cannot read the calibration"),
        (
            ["--to", "vmc://127.0.0.1", "--smooth-strength", "0"],
            "--smooth-strength 0; it takes numbers above 0",
        ),
    ],
)
def test_what_cannot_be_done_is_one_line_and_1(clip, capsys, tmp_path, monkeypatch, arguments, told):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert live(clip, *arguments) == 1
    err = capsys.readouterr().err
    assert told in err
    assert err.count("\n") == 1


def test_a_port_in_use_is_one_line_and_1(clip, capsys):
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert live(clip, "--to", f"ws://127.0.0.1:{other.getsockname()[1]}") == 1
    err = capsys.readouterr().err
    assert "another program listens there; choose another port" in err
    assert err.count("\n") == 1


def test_a_stronger_smoother_is_calmer(clip, table, tmp_path):
    def jitter(strength: str) -> float:
        record = tmp_path / f"{strength}.csv"
        assert live(clip, "--record", str(record), "--smooth-strength", strength) == 0
        x = [float(row["x_30"]) for row in read_csv(record)]
        return float(np.abs(np.diff(x)).sum())

    assert jitter("10") < jitter("1") < jitter("0.1")
