"""The sinks of the live protocols: every frame arrives, whoever listens, and nobody is waited for."""

from __future__ import annotations

import csv
import importlib
import itertools
import json
import logging
import math
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import live_faces
from live_faces import read_osc, read_osf_unity
from tddfa.errors import ExportFileError, InputError
from tddfa.export.capture import ARKIT_SHAPES, FaceCapture
from tddfa.provenance import is_ours
from tddfa.streams import Avatar, AvatarSettings, LiveLinkCsvSink, TrackedFrame, open_sink
from tddfa.streams.destinations import Destination
from tddfa.tracking import TrackedFace
from waiting import PATIENCE_S

FACES = [live_faces.face(seed) for seed in range(4)]
IMAGE = np.zeros((live_faces.SIZE[1], live_faces.SIZE[0], 3), np.uint8)


def frame(index: int, face=None, *, state: str = "tracked", face_id: int = 0) -> TrackedFrame:
    """Frame `index` of a stream at 30 fps, with one face unless told otherwise."""
    face = FACES[index % len(FACES)] if face is None else face
    faces = () if state == "none" else (TrackedFace(face_id, face, 0.75, index, state),)
    return TrackedFrame(index, index / 30, IMAGE, faces)


class Receiver:
    """A UDP socket on the loopback with room for a burst."""

    def __init__(self, port: int = 0) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.bind(("127.0.0.1", port))
        self.socket.settimeout(PATIENCE_S)
        self.port: int = self.socket.getsockname()[1]

    def get(self) -> bytes:
        return self.socket.recv(65536)

    def silent(self) -> bool:
        self.socket.settimeout(0.05)
        try:
            self.socket.recv(65536)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(PATIENCE_S)
        return False


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.socket.close()


def livelink_of(data: bytes):
    module = pytest.importorskip("pylivelinkface", reason="needs PyLiveLinkFace")
    return module.PyLiveLinkFace.decode(data)


# Live Link Face


def test_live_link_gets_every_face_and_is_told_when_there_is_none(receiver):
    with open_sink(f"livelink://127.0.0.1:{receiver.port}?subject=Ann") as sink:
        for index in range(4):
            sink.write(frame(index))
            found, read = livelink_of(receiver.get())
            assert found
            assert read.name == "Ann"
            for name, value in FACES[index].expression.items():
                curve = read._blend_shapes[_curve(name)]
                assert curve == np.float32(value), name
        sink.write(frame(200, state="none"))
        found, _ = livelink_of(receiver.get())
        assert not found


def _curve(name: str) -> int:
    module = pytest.importorskip("pylivelinkface", reason="needs PyLiveLinkFace")
    return module.FaceBlendShape[name[0].upper() + name[1:]].value


def test_the_timecode_of_live_link_is_the_time_of_day_and_goes_on_with_the_frames(receiver):
    with open_sink(f"livelink://127.0.0.1:{receiver.port}") as sink:
        local = time.localtime()
        now = local.tm_hour * 3600 + local.tm_min * 60 + local.tm_sec
        times = []
        for index in (10, 11, 40):
            sink.write(frame(index))
            _, read = livelink_of(receiver.get())
            times.append((read._frames + read._sub_frame) / 60)
    assert (times[0] - now + 43200) % 86400 - 43200 == pytest.approx(0, abs=20)
    assert np.diff(times) == pytest.approx([1 / 30, 29 / 30], abs=1e-5)


def test_further_faces_are_further_subjects_which_say_when_they_are_gone(receiver):
    avatar = Avatar(AvatarSettings(face="all", hold_s=0.0, ease_s=0.0))
    both = TrackedFrame(0, 0.0, None, tuple(TrackedFace(k, FACES[k], 1.0, 0, "tracked") for k in range(2)))
    with open_sink(f"livelink://127.0.0.1:{receiver.port}", avatar=avatar) as sink:
        sink.write(both)
        reads = [livelink_of(receiver.get()) for _ in range(2)]
        assert [read.name for _, read in reads] == ["tddfa", "tddfa_2"]
        assert reads[0][1].uuid != reads[1][1].uuid
        sink.write(frame(1))
        assert livelink_of(receiver.get())[0]
        assert not livelink_of(receiver.get())[0]
        sink.write(frame(2))
        receiver.get()
        assert receiver.silent()


# VMC


def test_vmc_gets_every_frame_and_the_state_while_there_is_no_face(receiver):
    with open_sink(f"vmc://127.0.0.1:{receiver.port}?shapes=arkit") as sink:
        for index in range(3):
            sink.write(frame(index))
            values = {}
            while True:
                messages = read_osc(receiver.get())
                values |= {m[1][0]: m[1][1] for m in messages if m[0] == "/VMC/Ext/Blend/Val"}
                if messages[-1][0] == "/VMC/Ext/Blend/Apply":
                    break
            expected = {name: np.float32(v) for name, v in FACES[index].expression.items()}
            assert values == expected
        sink.write(frame(200, state="none"))
        assert [m[0] for m in read_osc(receiver.get())] == ["/VMC/Ext/OK", "/VMC/Ext/T"]


def test_a_python_osc_server_hears_every_message_of_a_frame(receiver):
    server_of = pytest.importorskip("pythonosc.osc_server", reason="needs python-osc")
    from pythonosc.dispatcher import Dispatcher

    heard: list[tuple] = []
    applied = threading.Event()
    dispatcher = Dispatcher()
    dispatcher.map("/VMC/*", lambda address, *values: heard.append((address, *values)))
    dispatcher.map("/VMC/Ext/Blend/Apply", lambda *_: applied.set())
    server = server_of.BlockingOSCUDPServer(("127.0.0.1", 0), dispatcher)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    with open_sink(f"vmc://127.0.0.1:{server.server_address[1]}") as sink:
        sink.write(frame(1))
        assert applied.wait(20)
    server.shutdown()
    blends = {m[1]: m[2] for m in heard if m[0] == "/VMC/Ext/Blend/Val"}
    for name, value in FACES[1].expression.items():
        assert blends[name] == np.float32(value)
    assert [m[1] for m in heard if m[0] == "/VMC/Ext/Bone/Pos"] == ["Neck", "Head", "LeftEye", "RightEye"]
    server.server_close()


NODE_RECEIVER = """
const { Server } = require('node-osc');
const server = new Server(0, '127.0.0.1', () => console.log(server._sock.address().port));
const values = {};
const take = ([address, ...args]) => {
  if (address === '/VMC/Ext/Blend/Val') values[args[0]] = args[1];
  if (address === '/VMC/Ext/Blend/Apply') { console.log(JSON.stringify(values)); process.exit(0); }
};
server.on('bundle', bundle => bundle.elements.forEach(take));
server.on('message', take);
setTimeout(() => process.exit(1), 60000);
"""


def test_a_node_osc_server_hears_the_same_numbers():
    node = shutil.which("node")
    if node is None or subprocess.run([node, "-e", "require('node-osc')"], capture_output=True).returncode:
        pytest.skip("needs node with node-osc")
    with subprocess.Popen([node, "-e", NODE_RECEIVER], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        with open_sink(f"vmc://127.0.0.1:{port}?shapes=arkit") as sink:
            sink.write(frame(2))
            values = json.loads(server.stdout.readline())
    for name, value in FACES[2].expression.items():
        assert values[name] == pytest.approx(value, abs=1e-6)


# OpenSeeFace


def test_openseeface_gets_every_frame_with_a_face_and_nothing_without(receiver):
    with open_sink(f"osf://127.0.0.1:{receiver.port}") as sink:
        assert sink.needs_image
        times = []
        for index in range(3):
            sink.write(frame(index, face_id=7))
            (read,) = read_osf_unity(receiver.get())
            assert read["id"] == 0  # receivers follow ID 0, whoever it is
            assert read["resolution"] == live_faces.SIZE
            points = FACES[index].landmarks[:48, :2]
            assert read["points"][:48] == pytest.approx(points, abs=1e-3)
            times.append(read["time"])
        assert times == sorted(set(times))
        sink.write(frame(200, state="none"))
        assert receiver.silent()
        with pytest.raises(InputError, match="images=True"):
            sink.write(TrackedFrame(0, 0.0, None, ()))


# All


PROTOCOLS = ["livelink", "vmc", "osf"]


@pytest.mark.parametrize("scheme", PROTOCOLS)
def test_10000_frames_arrive_without_a_loss_in_order(scheme, receiver, monkeypatch):
    n = 10_000
    module = importlib.import_module(f"tddfa.export.{scheme}")
    monkeypatch.setattr(module, "encode", _Remembering(module.encode))
    got: list[int] = []
    room = threading.Semaphore(32)  # frames on the way: the loopback drops what no buffer has room for
    frames = [frame(index, state="none") for index in range(n)]

    def receive() -> None:
        while len(got) < n:
            data = receiver.get()
            while scheme == "vmc" and b"/VMC/Ext/Blend/Apply" not in data:
                data += receiver.get()
            got.append(_counter(scheme, data))
            room.release()

    thread = threading.Thread(target=receive)
    url = f"{scheme}://127.0.0.1:{receiver.port}" + ("?shapes=vrm" if scheme == "vmc" else "")
    with open_sink(url, avatar=_Canned()) as sink:
        thread.start()
        for one in frames:
            assert room.acquire(timeout=PATIENCE_S)
            sink.write(one)
        thread.join(PATIENCE_S)
        assert sink._sender.dropped == 0
    assert got == [k % 97 for k in range(n)]


BASE = live_faces.hand_made()
COUNTED = [(replace(BASE, shapes=dict.fromkeys(ARKIT_SHAPES, 0.0) | {"jawOpen": k / 97}),) for k in range(97)]


class _Remembering:
    """Encodes each capture once: encoding 10,000 faces is not what is tested."""

    def __init__(self, encode) -> None:
        self._encode, self._known = encode, {}

    def __call__(self, capture, **options):
        one = capture[0] if isinstance(capture, tuple) else capture
        key = None if one is None else one.shapes["jawOpen"]
        if key not in self._known:
            self._known[key] = self._encode(capture, **options)
        return self._known[key]


class _Canned(Avatar):
    """Sends a capture whose `jawOpen` counts the frames: building 10,000 faces is not what is tested."""

    def captures(self, frame: TrackedFrame) -> tuple[FaceCapture, ...]:
        return COUNTED[frame.index % 97]


def _counter(scheme: str, data: bytes) -> int:
    """The frame's number, modulo 97, in what was received."""
    if scheme == "livelink":
        from tddfa.export.livelink import SHAPES

        value = np.frombuffer(data[-61 * 4 :], ">f4")[SHAPES.index("jawOpen")]
    elif scheme == "osf":
        value = np.frombuffer(data, "<f4", offset=1785 - 8)[0]  # MouthOpen
    else:
        at = data.index(b"A\0\0\0", data.index(b"/VMC/Ext/Blend/Val"))
        value = np.frombuffer(data[at + 4 : at + 8], ">f4")[0]
    return round(float(value) * 97)


@pytest.mark.parametrize("scheme", PROTOCOLS)
def test_a_receiver_may_be_absent_and_come_later(scheme):
    before = Receiver()
    port = before.port
    before.socket.close()
    with open_sink(f"{scheme}://127.0.0.1:{port}") as sink:
        for index in range(50):
            sink.write(frame(index))
        receiver = Receiver(port)
        sink.write(frame(50))
        assert receiver.get()
        receiver.socket.close()  # restarted
        for index in range(51, 60):
            sink.write(frame(index))
        again = Receiver(port)
        sink.write(frame(60))
        assert again.get()
        again.socket.close()


@pytest.mark.parametrize("scheme", PROTOCOLS)
def test_a_slow_receiver_holds_nobody_up(scheme, receiver):
    with open_sink(f"{scheme}://127.0.0.1:{receiver.port}", avatar=_Canned()) as sink:
        began = time.process_time()
        for index in range(2000):  # more than any buffer holds; nobody reads
            sink.write(frame(index))
        assert time.process_time() - began < 30
    assert receiver.get()


def test_a_send_that_fails_is_told_once_and_the_camera_goes_on(receiver, monkeypatch, caplog):
    with open_sink(f"livelink://127.0.0.1:{receiver.port}") as sink:
        real = sink._sender._socket

        class Broken:
            def sendto(self, *_: object) -> None:
                raise OSError(101, "Network is unreachable")

        sink._sender._socket = Broken()
        with caplog.at_level(logging.WARNING):
            for index in range(5):
                sink.write(frame(index))
        sink._sender._socket = real
        assert [record.getMessage() for record in caplog.records] == [
            f"cannot send to livelink://127.0.0.1:{receiver.port}: Network is unreachable; going on"
        ]
        assert sink._sender.dropped == 5
        sink.write(frame(5))
        assert receiver.get()


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("livelink://no-such-host.invalid", "cannot send to livelink://no-such-host.invalid:11111: "),
        ("vmc://" + "a" * 70, "cannot send to vmc://"),
        ("osf://127.0.0.1:0", "no receiver has port 0"),
        ("ws://no-such-host.invalid", "cannot listen on ws://no-such-host.invalid:8765: "),
        ("livelink://127.0.0.1?subject=", "0 bytes"),
        ("livelink://127.0.0.1?fps=30", "has no option 'fps'; it takes subject"),
        ("vmc://127.0.0.1?shapes=all2", "shapes='all2' is unknown; choose from all, arkit, vrm"),
        ("vmc://127.0.0.1?neck=half", "neck=half is not a number"),
        ("vmc://127.0.0.1?neck=0.1&neck=0.4", "gives neck twice; give it once"),
        ("ws://127.0.0.1:0?origin=my.site", "origin=my.site is no origin of a page; write https://my.site"),
        ("ws://127.0.0.1:0?origin=", "is no origin of a page"),
        ("ws://127.0.0.1:0?origin=https://my.site:port", "is no origin of a page"),
        ("osf://127.0.0.1?x=1", "has no option 'x'; it takes none"),
        ("ws://127.0.0.1:0?x=1", "has no option 'x'; it takes origin"),
        ("vmc://127.0.0.1/avatar", "has more than vmc://HOST"),
        ("vmc://me@127.0.0.1", "has more than vmc://HOST"),
    ],
)
def test_a_destination_that_cannot_be_used_is_one_line(url, told):
    with pytest.raises(InputError) as error, open_sink(url):
        pass
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_subject_that_is_too_long_is_not_repeated():
    with pytest.raises(InputError, match="has 4000 bytes") as error:
        open_sink(f"livelink://127.0.0.1?subject={'x' * 4000}")
    assert len(str(error.value)) < 200


def test_a_broadcast_address_may_be_sent_to():
    with open_sink("vmc://127.0.0.1:39999") as sink:
        assert sink._sender._socket.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST)


def test_ipv6_receivers_are_reached():
    if not socket.has_ipv6:
        pytest.skip("needs IPv6")
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as receiver:
        try:
            receiver.bind(("::1", 0))
        except OSError:
            pytest.skip("needs IPv6 on the loopback")
        receiver.settimeout(PATIENCE_S)
        with open_sink(f"vmc://[::1]:{receiver.getsockname()[1]}") as sink:
            sink.write(frame(0))
            assert receiver.recv(65536).startswith(b"#bundle\0")


def test_default_ports_are_those_that_receivers_listen_on():
    ports = {scheme: Destination.parse(f"{scheme}://h").port for scheme in ("livelink", "vmc", "osf")}
    assert ports == {"livelink": 11111, "vmc": 39539, "osf": 11573}


# CSV of Live Link Face


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_csv_of_live_link_has_every_frame_of_every_person(tmp_path):
    path = tmp_path / "clip_livelink.csv"
    with LiveLinkCsvSink(path) as sink:
        sink.write(frame(0, state="none"))
        sink.write(frame(1))
        sink.write(frame(2, state="lost"))
        for index in (3, 4):
            two = tuple(TrackedFace(k, FACES[k], 1.0, 0, "tracked") for k in (0, 5 - 2))
            sink.write(TrackedFrame(index, index / 30, None, two))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip_livelink.csv", "clip_livelink_3.csv"]
    first, second = read_csv(path), read_csv(tmp_path / "clip_livelink_3.csv")
    assert [row["BlendShapeCount"] for row in first] == ["0", "61", "0", "61", "61"]
    assert [row["BlendShapeCount"] for row in second] == ["0", "0", "0", "61", "61"]
    assert [row["Timecode"] for row in first] == [f"00:00:00:{2 * k:06.3f}" for k in range(5)]
    assert [row["Timecode"] for row in first] == [row["Timecode"] for row in second]
    for name, value in FACES[1].expression.items():
        assert float(first[1][name[0].upper() + name[1:]]) == pytest.approx(value, abs=1e-9)
    assert float(first[1]["HeadPitch"]) == pytest.approx(math.radians(FACES[1].pose.pitch_deg), abs=1e-9)


def test_a_csv_of_live_link_is_known_as_ours_and_one_of_the_app_is_not(tmp_path):
    ours, empty, theirs = (tmp_path / name for name in ("ours.csv", "empty.csv", "theirs.csv"))
    with LiveLinkCsvSink(ours) as sink:
        sink.write(frame(1))
    with LiveLinkCsvSink(empty):
        pass
    header, row = ours.read_text().splitlines()
    cells = row.split(",")
    theirs.write_text("\n".join([header, ",".join([*cells[:-1], "0.0081349835"]), ""]))
    assert is_ours(ours)
    assert is_ours(empty)
    assert not is_ours(theirs)


def test_a_csv_that_cannot_be_finished_leaves_nothing_behind(tmp_path):
    def interrupted() -> None:
        with LiveLinkCsvSink(tmp_path / "a.csv") as sink:
            sink.write(frame(0))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ExportFileError, match="cannot write"), LiveLinkCsvSink(tmp_path / "no" / "a.csv"):
        pass
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ExportFileError, match="it is a folder"), LiveLinkCsvSink(tmp_path / "folder.csv"):
        pass


def test_a_clip_without_faces_is_a_csv_without_rows(tmp_path):
    with LiveLinkCsvSink(tmp_path / "a.csv") as sink:
        for index in itertools.islice(itertools.count(), 3):
            sink.write(frame(index, state="none"))
    assert read_csv(tmp_path / "a.csv") == []
