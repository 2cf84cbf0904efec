"""Faces as plain values for JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np

from tddfa.export.files import writer_of
from tddfa.types import Face, Image
from tddfa.types.arguments import check_face, faces_of

SCHEMA = "tddfa.faces/1"
"""Name and version of the layout of records; the number grows when a reader would have to change."""


def json_bytes(image: Image, faces: Iterable[Face]) -> bytes:
    """Return the record of the faces of an image as a JSON file; see `image_record`.

    Args:
        image: RGB; only its size is written.
        faces: faces of the image.
    """
    return (json.dumps(image_record(image, faces), allow_nan=False) + "\n").encode()


write_json = writer_of(json_bytes)


def image_record(image: Image, faces: Iterable[Face]) -> dict[str, Any]:
    """Return the faces of an image in plain lists and numbers.

    Args:
        image: RGB; only its size is used.
        faces: faces of the image.

    Returns:
        `schema`, `width` and `height` (px), and `faces`: a list of `face_record`.

    Raises:
        InputError: the image is not RGB, or `faces` holds anything but faces.
    """
    faces = faces_of(image, faces)
    height, width = image.shape[:2]
    return {
        "schema": SCHEMA,
        "width": width,
        "height": height,
        "faces": [face_record(face) for face in faces],
    }


def face_record(face: Face) -> dict[str, Any]:
    """Return a face in plain lists and numbers.

    Args:
        face: the face.

    Returns:
        `box` (x0, y0, x1, y1, px), `score` (of the detector), `confidence` (of the network, or None),
        `landmarks` (68 × 3, image frame, px), `pose` (`yaw_deg`, `pitch_deg`, `roll_deg`), `gaze` (as in
        `GazeAngles`; None for models whose eyes do not turn), `camera` (3 × 4, image frame from model frame),
        `identity` (coefficients of the person), `shape` (coefficients of the same basis that the mesh has),
        `expression` (coefficient by name).

    Raises:
        InputError: `face` is no face.
    """
    check_face("face", face)
    return {
        "box": [_short(v) for v in face.detection.box],
        "score": _short(face.detection.score),
        "confidence": None if face.params.confidence is None else _short(face.params.confidence),
        "landmarks": _short_list(face.landmarks),
        "pose": {
            "yaw_deg": round(face.pose.yaw_deg, 4),
            "pitch_deg": round(face.pose.pitch_deg, 4),
            "roll_deg": round(face.pose.roll_deg, 4),
        },
        "gaze": _gaze(face),
        "camera": face.params.camera.tolist(),
        "identity": _short_list(face.params.identity),
        "shape": _short_list(face.params.shape),
        "expression": {name: _short(value) for name, value in face.expression.items()},
    }


def _gaze(face: Face) -> dict[str, float] | None:
    """Return where the eyes look: in the head, and in the image."""
    gaze = face.gaze
    if gaze is None:
        return None
    names = ("yaw_deg", "pitch_deg", "image_yaw_deg", "image_pitch_deg")
    return {name: round(float(getattr(gaze, name)), 3) for name in names}


def _short(value: float) -> float:
    # The shortest number that is the same float32: 0.1 instead of 0.10000000149011612.
    return float(str(np.float32(value)))


def _short_list(values: np.ndarray) -> list[Any]:
    return [_short_list(v) if v.ndim else _short(float(v)) for v in values]
