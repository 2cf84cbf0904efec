"""OpenSeeFace: the datagrams of its tracker, 1785 bytes a face, as VSeeFace and others read them.

Source: facetracker.py (sender) and Unity/OpenSee.cs (receiver) of OpenSeeFace. The tracker counts image
points as (row, column), so that its camera frame has x down, y right and z away, and it finds a pose behind
the camera: depths are negative, and the head is half a turn about z off. Receivers expect both.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping

import numpy as np

from tddfa.export.capture import EyeRotation, FaceCapture, quaternion
from tddfa.geometry.camera import camera_scale
from tddfa.geometry.rotation import head_rotation
from tddfa.shapes import Float64

BYTES_PER_FACE = 1785

FEATURES: tuple[str, ...] = (
    *("eye_left", "eye_right"),
    *("eyebrow_steepness_left", "eyebrow_up_down_left", "eyebrow_quirk_left"),
    *("eyebrow_steepness_right", "eyebrow_up_down_right", "eyebrow_quirk_right"),
    *("mouth_corner_up_down_left", "mouth_corner_in_out_left"),
    *("mouth_corner_up_down_right", "mouth_corner_in_out_right"),
    *("mouth_open", "mouth_wide"),
)
"""The numbers at the end of a face, each −1 … 1 and 0 at rest."""

LANDMARKS: tuple[int, ...] = (
    *range(48),  # jaw, brows, nose, eyes
    *(49, 50, 51, 52, 53, 55, 56, 57, 58, 59),  # outer lips without their corners
    *(48, 61, 62, 63, 54, 65, 66, 67),  # corners between the inner lips; iBUG 60 and 64 are left out
)
"""The iBUG index of the first 66 points; a pupil of each eye follows, and in 3D the centre of each eye."""

# One unit of OpenSeeFace's face model, mm: fitted to the 66 points of the open face model's mean.
_MM_PER_UNIT = 124.0
# Radius of an eyeball in widths of its eye, as in OpenSeeFace.
_EYE_RADIUS = 0.385
_NOSE_TIP = 30
_CORNERS = ((36, 39), (42, 45))  # landmarks at the corners of the right and of the left eye

# Camera frame of the tracker from the image frame: swap x and y, and half a turn about z.
_TRACKER_FROM_IMAGE = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
# Model frame (x to the subject's left) from the tracker's (x to the subject's right).
_MIRROR_X = np.diag([-1.0, 1.0, 1.0])
_UNITS_PER_MM = np.array([-1.0, 1.0, 1.0]) / _MM_PER_UNIT
_POINT_SIGNS = np.array([1.0, -1.0, -1.0])  # the tracker turns y and z of points before it sends them
_INDICES = np.array(LANDMARKS)

_HEAD = struct.Struct("<di4fB11f")
_POINTS = struct.Struct("<68f136f210f14f")
assert _HEAD.size + _POINTS.size == BYTES_PER_FACE


def encode(captures: Iterable[FaceCapture], *, width: int, height: int, time: float) -> bytes:
    """Return the datagram of a frame.

    Args:
        captures: faces; `slot` becomes the face's ID, and receivers follow ID 0 unless told otherwise.
        width: of the image, px.
        height: of the image, px.
        time: s since 1970; receivers drop what is not newer than what they have.
    """
    return b"".join(_face(capture, width, height, time) for capture in captures)


def features(shapes: Mapping[str, float]) -> dict[str, float]:
    """Return the numbers of `FEATURES` that ARKit expressions stand for."""
    rounded = max(shapes["mouthPucker"], shapes["mouthFunnel"])
    spread = (shapes["mouthStretchLeft"] + shapes["mouthStretchRight"]) / 2
    smile = (shapes["mouthSmileLeft"] + shapes["mouthSmileRight"]) / 2
    values = {
        "mouth_open": shapes["jawOpen"] - shapes["mouthClose"],
        "mouth_wide": max(spread, smile) - rounded,
    }
    sideways = shapes["mouthLeft"] - shapes["mouthRight"]
    for side, Side, shift in (("left", "Left", sideways), ("right", "Right", -sideways)):
        outer, down = shapes[f"browOuterUp{Side}"], shapes[f"browDown{Side}"]
        values |= {
            f"eye_{side}": shapes[f"eyeWide{Side}"] - shapes[f"eyeBlink{Side}"],
            f"eyebrow_steepness_{side}": shapes["browInnerUp"] - outer,
            f"eyebrow_up_down_{side}": (shapes["browInnerUp"] + outer) / 2 - down,
            f"eyebrow_quirk_{side}": outer - down,
            f"mouth_corner_up_down_{side}": shapes[f"mouthSmile{Side}"] - shapes[f"mouthFrown{Side}"],
            f"mouth_corner_in_out_{side}": shapes[f"mouthStretch{Side}"] + shift - rounded,
        }
    return {name: min(max(values[name], -1.0), 1.0) for name in FEATURES}


def tracker_rotation(capture: FaceCapture) -> Float64[np.ndarray, "3 3"]:
    """Return the rotation that the tracker would find: its camera frame from its model frame."""
    # + 0.0: the sign of a zero would choose between −180° and 180°.
    return _TRACKER_FROM_IMAGE @ head_rotation(capture.head) @ _MIRROR_X + 0.0


def _face(capture: FaceCapture, width: int, height: int, time: float) -> bytes:
    R = tracker_rotation(capture)
    points = _model_points(capture)
    image_points = np.empty((68, 2))
    image_points[:66] = capture.landmarks[_INDICES, :2]
    image_points[66:] = _project(capture, points[66:68])
    return _HEAD.pack(
        *(time, capture.slot, width, height),
        *(1 - _clipped(capture.shapes[f"eyeBlink{side}"]) for side in ("Right", "Left")),
        *(1, 0.0),  # a pose was found, without error
        *quaternion(R.T),
        *_euler_deg(R),
        *_translation(capture, width, height),
    ) + _POINTS.pack(
        *([capture.confidence] * 68),
        *image_points.ravel().tolist(),
        *(points * _POINT_SIGNS).ravel().tolist(),
        *features(capture.shapes).values(),
    )


def _euler_deg(R: Float64[np.ndarray, "3 3"]) -> tuple[float, float, float]:
    """Return the angles of R = Rz Ry Rx, degrees, as OpenCV's RQDecomp3x3 gives them."""
    x = math.atan2(R[2, 1], R[2, 2])
    y = math.atan2(-R[2, 0], math.hypot(R[2, 1], R[2, 2]))
    z = math.atan2(R[1, 0], R[0, 0])
    return math.degrees(x), math.degrees(y), math.degrees(z)


def _translation(capture: FaceCapture, width: int, height: int) -> tuple[float, float, float]:
    """Return the tip of the nose in the tracker's camera frame; its focal length is `width` px."""
    px_per_unit = camera_scale(capture.camera) * _MM_PER_UNIT
    x, y = capture.landmarks[_NOSE_TIP, :2]
    return (
        float(height / 2 - y) / px_per_unit,
        float(width / 2 - x) / px_per_unit,
        -width / px_per_unit,
    )


def _model_points(capture: FaceCapture) -> Float64[np.ndarray, "70 3"]:
    """Return landmarks, pupils and centres of the eyes in the tracker's model frame and unit."""
    M, shift = capture.camera[:, :3], capture.camera[:, 3]
    model = np.linalg.solve(M, (capture.landmarks - shift).T).T  # model frame, mm
    model = (model - model[_NOSE_TIP]) * _UNITS_PER_MM
    points = np.empty((70, 3))
    points[:66] = model[_INDICES]
    for k, (corners, eye) in enumerate(zip(_CORNERS, (capture.right_eye, capture.left_eye), strict=True)):
        a, b = model[corners[0]], model[corners[1]]
        radius = _EYE_RADIUS * math.dist(a, b)
        center = (a + b) / 2
        center[2] -= radius
        points[66 + k], points[68 + k] = center + radius * _direction(eye), center
    return points


def _direction(eye: EyeRotation) -> Float64[np.ndarray, "3"]:
    """Return where an eye looks in the tracker's model frame: x to the subject's right, y up, z ahead."""
    yaw, pitch = math.radians(eye.yaw_deg), math.radians(eye.pitch_deg)
    return np.array(
        [math.sin(yaw), math.sin(pitch) * math.cos(yaw), math.cos(pitch) * math.cos(yaw)],
    )


def _project(capture: FaceCapture, points: Float64[np.ndarray, "n 3"]) -> Float64[np.ndarray, "n 2"]:
    """Return where points of the tracker's model frame show in the image, px."""
    return capture.landmarks[_NOSE_TIP, :2] + (points / _UNITS_PER_MM) @ capture.camera[:2, :3].T


def _clipped(value: float) -> float:
    return min(max(value, 0.0), 1.0)
