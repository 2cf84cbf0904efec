"""A camera over a WebSocket."""

import csv
import io
import json
import socket as sockets

import numpy as np
import pytest

from studio_client import CLIP, PHOTO, socket, studio
from tddfa import FaceAligner, decode_image
from tddfa.imaging.files import encode_image
from tddfa.studio import Limits, StudioSettings
from tddfa.video import VideoReader
from waiting import PATIENCE_S

pytest.importorskip("starlette")


@pytest.fixture(scope="module")
def client():
    with studio() as client:
        yield client


@pytest.fixture(scope="module")
def frames():
    reader = VideoReader(io.BytesIO(CLIP))
    return [encode_image(frame.image, "jpg", quality=85) for frame in reader][:60]


def answers(ws, n):
    return [ws.receive_json() for _ in range(n)]


def test_a_frame_comes_back_as_the_face_that_the_library_finds(client):
    with socket(client, "/api/camera") as ws:
        ws.send_bytes(PHOTO)
        answer = ws.receive_json()
    (face,) = FaceAligner().align(decode_image(PHOTO))
    (seen,) = answer["faces"]
    assert (answer["schema"], answer["type"], answer["n"]) == ("tddfa.studio.camera/1", "frame", 0)
    assert (answer["width"], answer["height"]) == (512, 600)
    assert np.abs(np.array(seen["landmarks"]) - face.landmarks).max() < 2  # the tracker crops again
    assert np.abs(np.array(seen["camera"]) - face.params.camera)[:, :3].max() < 0.05
    assert set(seen["expression"]) == set(face.expression)
    assert answer["avatar"]["schema"] == "tddfa.live/1"
    assert answer["avatar"]["faces"][0]["shapes"]["jawOpen"] == pytest.approx(
        seen["expression"]["jawOpen"], abs=1e-3
    )


def test_a_clip_is_followed_with_one_id_per_person(client, frames):
    with socket(client, "/api/camera") as ws:
        ids = set()
        for k, data in enumerate(frames):
            ws.send_bytes(data)
            answer = ws.receive_json()
            assert answer["n"] == k
            ids |= {face["id"] for face in answer["faces"]}
    assert ids == {0, 1}


def test_what_is_no_image_costs_that_frame_alone(client):
    with socket(client, "/api/camera") as ws:
        for bad in (b"", b"\x00" * 50, PHOTO[:4000], b"GIF89a"):
            ws.send_bytes(bad)
            answer = ws.receive_json()
            assert answer["type"] == "error"
            assert "the frame" in answer["error"]
        ws.send_bytes(PHOTO)
        assert len(ws.receive_json()["faces"]) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "[" * 100_000,
        '{"type": "nothing"}',
        '{"type": ["settings"]}',
        '{"type": "settings", "nonsense": 1}',
        '{"type": "settings", "head_gain": NaN}',
        '{"type": "settings", "head_gain": "x"}',
        '{"type": "settings", "gains": 3}',
        '{"type": "settings", "gains": {"jawOpen": -1}}',
        '{"type": "settings", "gains": {"nose": 1}}',
        '{"type": "settings", "face": {}}',
        '{"type": "settings", "face": true}',
        '{"type": "settings", "mirrored": "x"}',
        '{"type": "settings", "mirrored": 1}',
        '{"type": "settings", "link_blinks": null}',
        '{"type": "settings", "head_gain": true}',
        '{"type": "record", "on": "x"}',
        '{"type": "send", "to": "vmc://127.0.0.1"}',
        '{"type": "send", "to": ["http://127.0.0.1"]}',
        '{"type": "send", "to": ["vmc://127.0.0.1?x=1"]}',
        '{"type": "send", "to": ["a", "b", "c", "d", "e"]}',
    ],
)
def test_a_command_that_cannot_be_used_is_refused_in_one_line(client, text):
    with socket(client, "/api/camera") as ws:
        ws.send_text(text)
        answer = ws.receive_json()
        assert answer["type"] == "error"
        assert "\n" not in answer["error"]
        ws.send_bytes(PHOTO)
        assert ws.receive_json()["type"] == "frame"


def test_the_avatar_heeds_its_settings_and_its_calibration(client):
    with socket(client, "/api/camera") as ws:
        ws.send_text(json.dumps({"type": "settings", "mirrored": True, "gains": {"mouthSmileLeft": 2.0}}))
        ws.send_bytes(PHOTO)
        told = ws.receive_json()
    (found,), (shown,) = told["faces"], told["avatar"]["faces"]  # in one frame: the next one may differ
    assert shown["head"]["yaw_deg"] == pytest.approx(-found["pose"]["yaw_deg"], abs=0.01)
    left = found["expression"]["mouthSmileLeft"]
    assert shown["shapes"]["mouthSmileRight"] == pytest.approx(min(2 * left, 1), abs=1e-3)


def test_a_portrait_is_a_textured_face_at_rest(client, tmp_path):
    import trimesh

    with socket(client, "/api/camera") as ws:
        ws.send_text('{"type": "portrait"}')
        ws.send_bytes(PHOTO)
        assert ws.receive_json()["type"] == "frame"
        data = ws.receive_bytes()
        assert client.get("/api/camera/portrait.glb").content == data
    assert data[:4] == b"glTF"
    document = json.loads(data[20 : 20 + int.from_bytes(data[12:16], "little")])
    assert set(document["meshes"][0]["weights"]) == {0.0}
    assert document["images"]
    mesh = trimesh.load(io.BytesIO(data), file_type="glb", force="mesh")
    assert len(mesh.vertices) > 3000


def test_a_recording_is_a_table_of_the_frames(client, frames):
    with socket(client, "/api/camera") as ws:
        ws.send_text('{"type": "record", "on": true}')
        assert ws.receive_json()["event"] == "recording"
        for data in frames[:8]:
            ws.send_bytes(data)
            ws.receive_json()
        ws.send_text('{"type": "record", "on": false}')
        told = ws.receive_json()
        assert told["event"] == "recorded"
    rows = list(csv.DictReader(io.StringIO(client.get("/" + told["url"]).text)))
    assert [row["frame"] for row in rows if row["face_id"] == "0"] == [str(k) for k in range(8)]
    assert client.get("/api/recordings/none/camera.csv").status_code == 404


def test_receivers_get_the_datagrams_of_tddfa_live(client):
    with sockets.socket(sockets.AF_INET, sockets.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(PATIENCE_S)
        port = receiver.getsockname()[1]
        with socket(client, "/api/camera") as ws:
            ws.send_text(json.dumps({"type": "send", "to": [f"vmc://127.0.0.1:{port}"]}))
            assert ws.receive_json() == {
                "schema": "tddfa.studio.camera/1",
                "type": "event",
                "event": "sending",
                "to": [f"vmc://127.0.0.1:{port}"],
            }
            ws.send_bytes(PHOTO)
            ws.receive_json()
            assert b"/VMC/Ext/Blend/Val" in receiver.recv(65536)


def test_receivers_of_which_one_cannot_be_used_get_nothing(client):
    with sockets.socket(sockets.AF_INET, sockets.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.setblocking(False)
        url = f"vmc://127.0.0.1:{receiver.getsockname()[1]}"
        with socket(client, "/api/camera") as ws:
            ws.send_text(json.dumps({"type": "send", "to": [url, "vmc://127.0.0.1?x=1"]}))
            assert ws.receive_json()["type"] == "error"
            ws.send_bytes(PHOTO)
            ws.receive_json()
            with pytest.raises(BlockingIOError):
                receiver.recv(65536)
            ws.send_text(json.dumps({"type": "send", "to": [url]}))
            assert ws.receive_json()["to"] == [url]


def test_gains_of_a_pattern_are_heeded_from_the_next_frame_on(client):
    with socket(client, "/api/camera") as ws:
        ws.send_text(json.dumps({"type": "settings", "gains": {"*": 0, "JawOpen": 0}}))
        ws.send_bytes(PHOTO)
        (face,) = ws.receive_json()["avatar"]["faces"]
    assert set(face["shapes"].values()) == {0.0}


def test_whoever_watches_sees_the_avatar_of_the_camera(client):
    with socket(client, "/api/camera/watch") as watcher, socket(client, "/api/camera") as ws:
        ws.send_bytes(PHOTO)
        shown = ws.receive_json()["avatar"]
        assert watcher.receive_json() == shown
        with socket(client, "/api/camera") as newer:
            newer.send_bytes(PHOTO)
            shown = newer.receive_json()["avatar"]
            ws.send_bytes(PHOTO)
            ws.receive_json()
            assert watcher.receive_json() == shown
            newer.send_bytes(PHOTO)
            assert watcher.receive_json() == newer.receive_json()["avatar"]


def test_no_more_cameras_than_allowed_are_connected():
    with studio(StudioSettings(limits=Limits(cameras=1))) as client:
        with socket(client, "/api/camera"), socket(client, "/api/camera") as second:
            assert "close one first" in second.receive_json()["error"]
        with socket(client, "/api/camera") as ws:  # the place is free again
            ws.send_bytes(PHOTO)
            assert ws.receive_json()["type"] == "frame"
