"""Faces with random numbers for the tests of the live protocols, and readers of these that are not ours."""

from __future__ import annotations

import struct

import numpy as np

from scene import HEIGHT, MODEL, WIDTH, face_of
from tddfa.export.capture import ARKIT_SHAPES, EyeRotation, FaceCapture
from tddfa.geometry.camera import scaled_camera
from tddfa.geometry.rotation import head_rotation
from tddfa.types import Face, HeadPose

SIZE = (WIDTH, HEIGHT)


def face(seed: int = 0, pose: tuple[float, float, float] | None = None) -> Face:
    """A face of the open model with random expression and, unless given, a random pose (yaw, pitch, roll)."""
    rng = np.random.default_rng(seed)
    angles = rng.uniform(-50, 50, 3) if pose is None else pose
    camera = scaled_camera(1.3, head_rotation(HeadPose(*angles)), np.array([300.0, 170.0]))
    identity = rng.normal(0, 0.5, MODEL.n_identity).astype(np.float32)
    expression = rng.uniform(0, 1, MODEL.n_expression).astype(np.float32)
    return face_of(MODEL.params(camera, identity, expression))


def hand_made() -> FaceCapture:
    """A capture that no model takes part in: shape k is k / 64, exactly, and the rest is round numbers."""
    landmarks = np.arange(204, dtype=np.float32).reshape(68, 3)
    camera = np.array([[2.0, 0, 0, 300], [0, -2.0, 0, 200], [0, 0, -2.0, 0]])
    shapes = {name: k / 64 for k, name in enumerate(ARKIT_SHAPES)}
    return FaceCapture(
        face_id=3,
        slot=0,
        shapes=shapes,
        head=HeadPose(10.0, -20.0, 30.0),
        left_eye=EyeRotation(4.0, 8.0),
        right_eye=EyeRotation(-4.0, -8.0),
        landmarks=landmarks,
        camera=camera,
        confidence=0.75,
    )


UNITY_FEATURES = (
    *("EyeLeft", "EyeRight", "EyebrowSteepnessLeft", "EyebrowUpDownLeft", "EyebrowQuirkLeft"),
    *("EyebrowSteepnessRight", "EyebrowUpDownRight", "EyebrowQuirkRight"),
    *("MouthCornerUpDownLeft", "MouthCornerInOutLeft", "MouthCornerUpDownRight", "MouthCornerInOutRight"),
    *("MouthOpen", "MouthWide"),
)


def read_osf_unity(data: bytes) -> list[dict]:
    """Faces of an OpenSeeFace datagram, read one number after the other as its Unity component does."""
    assert len(data) % (8 + 4 + 8 + 8 + 1 + 4 + 16 + 12 + 12 + 4 * 68 + 8 * 68 + 12 * 70 + 4 * 14) == 0
    faces, at = [], 0

    def take(form: str):
        nonlocal at
        values = struct.unpack_from("<" + form, data, at)
        at += struct.calcsize("<" + form)
        return values[0] if len(values) == 1 else values

    while at < len(data):
        face = {
            "time": take("d"),
            "id": take("i"),
            "resolution": take("2f"),
            "right_open": take("f"),
            "left_open": take("f"),
            "got_3d": take("B"),
            "error": take("f"),
            "quaternion": take("4f"),
            "euler": take("3f"),
            "translation": take("3f"),
            "confidence": [take("f") for _ in range(68)],
            "points": np.array([take("2f") for _ in range(68)]),
        }
        x, y, z = np.array([take("3f") for _ in range(70)]).T
        face["points_3d"] = np.stack([x, -y, z], axis=1)
        face["features"] = {name: take("f") for name in UNITY_FEATURES}
        faces.append(face)
    return faces


OSF_TRACKER_ROW = np.dtype(
    [
        *[("now", "<f8"), ("id", "<i4"), ("width", "<f4"), ("height", "<f4"), ("blink", "<f4", 2)],
        *[("success", "u1"), ("pnp_error", "<f4"), ("quaternion", "<f4", 4), ("euler", "<f4", 3)],
        *[("translation", "<f4", 3), ("conf", "<f4", 68), ("lms", "<f4", (68, 2))],
        *[("pts_3d", "<f4", (70, 3)), ("features", "<f4", 14)],
    ]
)
"""The row that OpenSeeFace's tracker writes for a face, in the order and with the names of its source."""


def read_osc(data: bytes) -> list[tuple[str, list]]:
    """Messages of an OSC packet, by python-osc, in order."""
    import pytest

    packet = pytest.importorskip("pythonosc.osc_packet", reason="needs python-osc")
    return [(timed.message.address, list(timed.message.params)) for timed in packet.OscPacket(data).messages]
