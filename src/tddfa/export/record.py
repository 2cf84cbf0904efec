"""Faces as plain values for JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from tddfa.export.files import write
from tddfa.types import Face, Image

SCHEMA = "tddfa.faces/1"
"""Name and version of the layout of records; the number grows when a reader would have to change."""


def write_json(path: str | os.PathLike[str], image: Image, faces: Sequence[Face]) -> None:
    """Write the record of a picture's faces as a JSON file; see `picture_record`.

    Raises:
        ExportFileError: the file cannot be written; nothing is left behind.
    """
    write(path, (json.dumps(picture_record(image, faces), allow_nan=False) + "\n").encode())


def picture_record(image: Image, faces: Sequence[Face]) -> dict[str, Any]:
    """A picture's faces in plain lists and numbers.

    Args:
        image: the photo.
        faces: found in it.

    Returns:
        `schema`, `width` and `height` (px), and `faces`: a list of `face_record`.
    """
    height, width = image.shape[:2]
    return {
        "schema": SCHEMA,
        "width": width,
        "height": height,
        "faces": [face_record(face) for face in faces],
    }


def face_record(face: Face) -> dict[str, Any]:
    """A face in plain lists and numbers.

    Returns:
        `box` (x0, y0, x1, y1, px), `score` (the detector's), `confidence` (the network's, or
        None), `landmarks` (68 × 3, image frame, px), `pose` (`yaw_deg`,
        `pitch_deg`, `roll_deg`), `camera` (3 × 4, image frame from model frame), `identity` (coefficients),
        `expression` (coefficient by name).
    """
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
        "camera": face.params.camera.tolist(),
        "identity": _short_list(face.params.identity),
        "expression": {name: _short(value) for name, value in face.expression.items()},
    }


def _short(value: float) -> float:
    # The shortest number that is the same float32: 0.1 instead of 0.10000000149011612.
    return float(str(np.float32(value)))


def _short_list(values: np.ndarray) -> list[Any]:
    return [_short_list(v) if v.ndim else _short(float(v)) for v in values]
