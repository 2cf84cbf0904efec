"""The messages of the WebSocket: a frame as JSON, or as packed float32 numbers.

docs/live.md describes both; `schemas/live-1.schema.json` is the JSON Schema of the first.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any

from tddfa.export.capture import ARKIT_SHAPES, EyeRotation, FaceCapture

SCHEMA = "tddfa.live/1"
"""Name and version of the layout of JSON messages; the number grows when a reader would have to change."""

FLOATS_VERSION = 1
"""The first number of a packed message."""

HEADER_FLOATS = 5
"""Numbers before the faces: version, frame, time in s, number of faces, numbers per face."""

FLOATS_PER_FACE = 12 + len(ARKIT_SHAPES)
"""Numbers of a face: id, slot, tracked, confidence, yaw, pitch, roll, yaw and pitch of the left and of the
right eye (degrees), 0, and the 52 expressions in alphabetical order."""

_DECIMALS = 6


def json_message(captures: Sequence[FaceCapture], *, frame: int, time: float, landmarks: bool = False) -> str:
    """Return a frame as JSON text.

    Args:
        captures: faces.
        frame: number of the frame, from 0.
        time: s since the first frame.
        landmarks: whether each face has its 68 landmarks, image frame, px.
    """
    record = {
        "schema": SCHEMA,
        "frame": frame,
        "time": round(time, _DECIMALS),
        "faces": [_face(capture, landmarks) for capture in captures],
    }
    return json.dumps(record, separators=(",", ":"), allow_nan=False)


def float_message(captures: Sequence[FaceCapture], *, frame: int, time: float) -> bytes:
    """Return a frame as little-endian float32 numbers: the header, then every face.

    Args:
        captures: faces.
        frame: number of the frame, from 0.
        time: s since the first frame.
    """
    numbers: list[float] = [FLOATS_VERSION, frame, time, len(captures), FLOATS_PER_FACE]
    for capture in captures:
        head, left, right = capture.head, capture.left_eye, capture.right_eye
        numbers += (
            *(capture.face_id, capture.slot, float(not capture.held), capture.confidence),
            *(head.yaw_deg, head.pitch_deg, head.roll_deg),
            *(left.yaw_deg, left.pitch_deg, right.yaw_deg, right.pitch_deg, 0.0),
            *(capture.shapes[name] for name in ARKIT_SHAPES),
        )
    return struct.pack(f"<{len(numbers)}f", *numbers)


def _face(capture: FaceCapture, landmarks: bool) -> dict[str, Any]:
    head = capture.head
    record: dict[str, Any] = {
        "id": capture.face_id,
        "slot": capture.slot,
        "state": "held" if capture.held else "tracked",
        "confidence": round(capture.confidence, 4),
        "head": _rounded({"yaw_deg": head.yaw_deg, "pitch_deg": head.pitch_deg, "roll_deg": head.roll_deg}),
        "left_eye": _eye(capture.left_eye),
        "right_eye": _eye(capture.right_eye),
        "shapes": _rounded(dict(capture.shapes)),
    }
    if landmarks:
        record["landmarks"] = [[round(v, 2) for v in point] for point in capture.landmarks.tolist()]
    return record


def _eye(eye: EyeRotation) -> dict[str, float]:
    return _rounded({"yaw_deg": eye.yaw_deg, "pitch_deg": eye.pitch_deg})


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(float(value), _DECIMALS) for name, value in values.items()}
