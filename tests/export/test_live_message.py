"""The messages of the WebSocket hold the numbers of the faces, under the names of their schema."""

from __future__ import annotations

import json
import struct
from importlib.resources import files

import numpy as np
import pytest

from live_faces import face, hand_made
from tddfa.export.capture import ARKIT_SHAPES, FaceCapture
from tddfa.export.live_message import FLOATS_PER_FACE, HEADER_FLOATS, SCHEMA, float_message, json_message

CAPTURES = [FaceCapture.of(face(seed), face_id=seed + 5, slot=seed) for seed in range(2)]


@pytest.mark.parametrize("landmarks", [False, True])
@pytest.mark.parametrize("captures", [[], CAPTURES[:1], CAPTURES])
def test_json_satisfies_its_schema(captures, landmarks):
    jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema")
    schema = json.loads((files("tddfa.export") / "schemas" / "live-1.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    text = json_message(captures, frame=7, time=0.25, landmarks=landmarks)
    jsonschema.Draft202012Validator(schema).validate(json.loads(text))


def test_json_holds_the_numbers_of_the_face_to_six_decimals():
    record = json.loads(json_message(CAPTURES, frame=7, time=1 / 3, landmarks=True))
    assert (record["schema"], record["frame"], record["time"]) == (SCHEMA, 7, 0.333333)
    for capture, read in zip(CAPTURES, record["faces"], strict=True):
        assert (read["id"], read["slot"], read["state"]) == (capture.face_id, capture.slot, "tracked")
        assert read["shapes"] == pytest.approx(dict(capture.shapes), abs=5.1e-7)
        assert read["head"]["yaw_deg"] == pytest.approx(capture.head.yaw_deg, abs=5.1e-7)
        assert read["right_eye"]["pitch_deg"] == pytest.approx(capture.right_eye.pitch_deg, abs=5.1e-7)
        assert np.array(read["landmarks"]) == pytest.approx(capture.landmarks, abs=0.0051)


def test_packed_numbers_are_float32_at_the_documented_places():
    data = float_message(CAPTURES, frame=7, time=0.25)
    numbers = np.frombuffer(data, "<f4")
    assert numbers[:HEADER_FLOATS].tolist() == [1, 7, 0.25, 2, 64]
    assert FLOATS_PER_FACE == 64
    for k, capture in enumerate(CAPTURES):
        face = numbers[HEADER_FLOATS + 64 * k :][:64]
        assert face[:3].tolist() == [capture.face_id, capture.slot, 1]
        assert face[4:7] == pytest.approx(
            [capture.head.yaw_deg, capture.head.pitch_deg, capture.head.roll_deg], rel=1e-6
        )
        assert face[12:].tolist() == [np.float32(capture.shapes[name]) for name in ARKIT_SHAPES]
    assert len(data) == 4 * (5 + 2 * 64)


def test_an_eye_has_its_own_numbers():
    values = struct.unpack("<69f", float_message([hand_made()], frame=0, time=0.0))
    assert values[5 + 7 : 5 + 11] == (4, 8, -4, -8)
    assert values[5 + 3] == 0.75


def test_a_held_face_says_so():
    held = FaceCapture.of(face(0))
    held = type(held)(**{name: getattr(held, name) for name in held.__slots__} | {"held": True})
    assert json.loads(json_message([held], frame=0, time=0.0))["faces"][0]["state"] == "held"
    assert struct.unpack("<69f", float_message([held], frame=0, time=0.0))[7] == 0
