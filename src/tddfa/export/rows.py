"""Faces as rows of a table: flat values by column, the same for images and videos.

Columns that OpenFace has are named as there; docs/video.md describes all.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from tddfa.geometry.camera import camera_scale
from tddfa.shapes import Float
from tddfa.types import Face
from tddfa.types.arguments import (
    as_faces,
    as_names,
    check_choice,
    check_count,
    check_face,
    check_flag,
    check_number,
)

_DECIMALS = 6
_STATES = ("new", "tracked", "returned", "lost")
_EXACT_BELOW = 2.0**32  # whose product with a million is a whole number that a float64 holds


def columns(expression_names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the columns, in order, for a model with these expressions.

    Raises:
        InputError: `expression_names` is no list of names.
    """
    return _columns(as_names("expression_names", expression_names))


def _has_gaze(expression_names: Sequence[str]) -> bool:
    """Whether the expressions of a model turn its eyes."""
    return "eyeLookInLeft" in expression_names


@lru_cache(maxsize=8)
def _columns(expression_names: tuple[str, ...]) -> tuple[str, ...]:
    return (
        *("frame", "face_id", "timestamp", "confidence", "success", "state"),
        *(("gaze_angle_x", "gaze_angle_y") if _has_gaze(expression_names) else ()),
        *("pose_Rx", "pose_Ry", "pose_Rz"),
        *(f"{axis}_{i}" for axis in "xyz" for i in range(68)),
        *("box_x0", "box_y0", "box_x1", "box_y1"),
        *("yaw_deg", "pitch_deg", "roll_deg", "scale"),
        *expression_names,
    )


def face_row(
    face: Face,
    *,
    frame: int,
    face_id: int,
    timestamp: float,
    confidence: float,
    state: str,
    visible: bool = True,
) -> dict[str, Any]:
    """Return the values of a face by column; NaN for what a lost face does not have.

    Args:
        face: the face.
        frame: index of the image, 0 for the first.
        face_id: number of the face, 0 for the first.
        timestamp: time of the image, s since the first.
        confidence: confidence that the face is there, in [0, 1].
        state: "new", "tracked", "returned" or "lost".
        visible: whether the face was seen in this image.

    Raises:
        InputError: an argument is not possible; the message says what is.
    """
    check_face("face", face)
    for name, number in (("frame", frame), ("face_id", face_id)):
        check_count(name, number, least=0)
    for name, value in (("timestamp", timestamp), ("confidence", confidence)):
        check_number(name, value, -math.inf, math.inf)
    check_choice("state", state, _STATES)
    check_flag("visible", visible)
    pose, names = face.pose, face.model.expression_names
    landmarks = face.landmarks
    corners = np.concatenate([landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)])
    # OpenFace turns the face with R = Rx Ry Rz in a frame with x right, y down, z away from the camera.
    turns = (-math.radians(pose.pitch_deg), math.radians(pose.yaw_deg), math.radians(pose.roll_deg))
    head = (pose.yaw_deg, pose.pitch_deg, pose.roll_deg, camera_scale(face.params.camera))
    measured: list[float] = [
        *(round(v, _DECIMALS) for v in (*_gaze_angles(face), *turns)),
        *_rounded(landmarks.T.ravel()),
        *_rounded(corners),
        *(round(v, _DECIMALS) for v in head),
        *_rounded(face.params.expression),
    ]
    if not visible:
        measured = [math.nan] * len(measured)
    values = [
        # Numbers of Python: those of NumPy are none to JSON, and round in their own, perhaps half, precision.
        *(int(frame), int(face_id), round(float(timestamp), _DECIMALS), round(float(confidence), 4)),
        *(int(visible), state),
        *measured,
    ]
    return dict(zip(columns(names), values, strict=True))


def to_rows(faces: Face | Iterable[Face], *, frame: int = 0, timestamp: float = 0.0) -> list[dict[str, Any]]:
    """Return the faces of an image as flat dicts with the columns of the video table.

    `pandas.DataFrame(to_rows(faces))` is a table with a row per face.

    Args:
        faces: faces of one image, or one face; their numbers become `face_id`.
        frame: index of the image, the value of the column `frame`.
        timestamp: time of the image, s, the value of the column `timestamp`.

    Raises:
        InputError: an item is not a face, or a number is none.
    """
    rows: list[dict[str, Any]] = []
    for index, face in enumerate(as_faces([faces] if isinstance(faces, Face) else faces)):
        # Networks without a confidence believe the detector.
        confidence = face.score if face.confidence is None else face.confidence
        rows.append(
            face_row(
                face,
                frame=frame,
                face_id=index,
                timestamp=timestamp,
                confidence=confidence,
                state="new",
            )
        )
    return rows


def _gaze_angles(face: Face) -> tuple[float, ...]:
    """Return how far the line of sight is turned to the right and to the lower border of the image, rad.

    Source: OpenFace 2.2, GazeEstimation.cpp, GetGazeAngle.
    """
    if not _has_gaze(face.model.expression_names):
        return ()
    gaze = face.gaze
    if gaze is None:
        return math.nan, math.nan
    x, y, z = gaze.direction
    return math.atan2(x, -z), math.atan2(y, -z)


def _rounded(values: Float[np.ndarray, " n"]) -> list[float]:
    """Return `round(value, 6)` of each value."""
    if values.dtype == np.float32 and np.abs(values).max(initial=0.0) < _EXACT_BELOW:
        # The 24 bits of a value and the 20 of a million fit into the 53 of the product: nothing is lost.
        return np.round(values.astype(np.float64), _DECIMALS).tolist()
    return [round(v, _DECIMALS) for v in values.tolist()]
