"""What an avatar needs of a face in one frame: expression, head, eyes, landmarks.

The encoders of the live protocols take a `FaceCapture`, so that what is done to the numbers on the way
(calibration, gains, mirroring; `tddfa.streams.avatar`) happens once and before them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.shapes import Float32, Float64
from tddfa.types import Face, HeadPose

ARKIT_SHAPES: tuple[str, ...] = (
    *("browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    *("cheekPuff", "cheekSquintLeft", "cheekSquintRight"),
    *("eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft"),
    *("eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight"),
    *("eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight"),
    *("jawForward", "jawLeft", "jawOpen", "jawRight"),
    *("mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight"),
    *("mouthFunnel", "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft"),
    *("mouthPressRight", "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper"),
    *("mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft"),
    *("mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight"),
    *("noseSneerLeft", "noseSneerRight", "tongueOut"),
)
"""The 52 expressions of ARKit, in alphabetical order.

Source: Apple, ARFaceAnchor.BlendShapeLocation.
"""

EYE_RANGE_DEG = (35.0, 35.0)
"""Degrees that an eye of ARKit turns at coefficient 1 of an `eyeLook…` shape, aside and up or down.

In a recording of the Live Link Face app, the eye angles are 0.611 rad times the coefficients (180 frames,
correlation 0.9996). Models with eyeballs of their own say how far these turn.
"""


@dataclass(frozen=True, slots=True)
class EyeRotation:
    """Where an eye looks, relative to the head, degrees; with the signs and the order of `HeadPose`.

    Attributes:
        yaw_deg: positive looks to the left of the image, which is the subject's right.
        pitch_deg: positive looks up.
    """

    yaw_deg: float
    pitch_deg: float


@dataclass(frozen=True, slots=True, eq=False)
class FaceCapture:
    """One face in one frame, as the live protocols send it.

    Attributes:
        face_id: identity of the track.
        slot: 0 for the only or first face that is sent; stays with a person as long as it is sent.
        shapes: the 52 ARKit expressions by name, 0 (rest) to 1.
        head: rotation of the head.
        left_eye: rotation of the subject's left eye.
        right_eye: rotation of the subject's right eye.
        landmarks: 68 points in iBUG order, image frame, px.
        camera: `image_from_model`, image frame (px) from model frame (mm).
        eye_range_deg: degrees that an eye of the face's model turns at coefficient 1, aside and up or down.
        confidence: certainty of the tracker that the face is there, in [0, 1]; 0 while `held`.
        held: the face is lost in this frame; what is sent is its last state on the way to rest.
    """

    face_id: int
    slot: int
    shapes: Mapping[str, float]
    head: HeadPose
    left_eye: EyeRotation
    right_eye: EyeRotation
    landmarks: Float32[np.ndarray, "68 3"]
    camera: Float64[np.ndarray, "3 4"]
    eye_range_deg: tuple[float, float] = EYE_RANGE_DEG
    confidence: float = 1.0
    held: bool = False

    @classmethod
    def of(cls, face: Face, *, face_id: int = 0, slot: int = 0, confidence: float = 1.0) -> FaceCapture:
        """Return the capture of a face, with its numbers as they are.

        Args:
            face: of any model; expressions that its model does not have are 0.
            face_id: identity of the track.
            slot: place among the faces that are sent.
            confidence: certainty of the tracker, in [0, 1].
        """
        expression = face.expression
        shapes = {name: expression.get(name, 0.0) for name in ARKIT_SHAPES}
        left, right, eye_range = _gaze(face) or (*eye_rotations(shapes), EYE_RANGE_DEG)
        return cls(
            face_id=face_id,
            slot=slot,
            shapes=shapes,
            head=face.pose,
            left_eye=left,
            right_eye=right,
            landmarks=face.landmarks,
            camera=face.params.camera,
            eye_range_deg=eye_range,
            confidence=confidence,
        )


def _gaze(face: Face) -> tuple[EyeRotation, EyeRotation, tuple[float, float]] | None:
    """Return where the eyes look and how far they turn; None for a model without eyeballs."""
    gaze, eyes = face.gaze, getattr(face.model, "eyes", None)
    if gaze is None or eyes is None:
        return None
    left = EyeRotation(gaze.left_yaw_deg, gaze.left_pitch_deg)
    right = EyeRotation(gaze.right_yaw_deg, gaze.right_pitch_deg)
    return left, right, _range_of(eyes, face.model.expression_names)


@lru_cache(maxsize=8)
def _range_of(eyes: Any, names: tuple[str, ...]) -> tuple[float, float]:
    aside, up = (
        np.array([name == shape for name in names], np.float32)
        for shape in ("eyeLookOutRight", "eyeLookUpRight")
    )
    return float(eyes.gaze(aside).yaw_deg[1]), float(eyes.gaze(up).pitch_deg[1])


def eye_rotations(
    shapes: Mapping[str, float], range_deg: tuple[float, float] = EYE_RANGE_DEG
) -> tuple[EyeRotation, EyeRotation]:
    """Return the rotations of the left and the right eye that `eyeLook…` shapes stand for.

    Args:
        shapes: ARKit expressions by name.
        range_deg: angles at coefficient 1, aside and up or down, degrees.
    """
    to_right = {"Left": shapes["eyeLookInLeft"] - shapes["eyeLookOutLeft"]}
    to_right["Right"] = shapes["eyeLookOutRight"] - shapes["eyeLookInRight"]
    aside, up = range_deg
    left, right = (
        EyeRotation(aside * to_right[side], up * (shapes[f"eyeLookUp{side}"] - shapes[f"eyeLookDown{side}"]))
        for side in ("Left", "Right")
    )
    return left, right


def quaternion(R: Float64[np.ndarray, "3 3"]) -> tuple[float, float, float, float]:
    """Return the unit quaternion (x, y, z, w) of a rotation; its largest component is positive.

    Source: Shepperd, "Quaternion from rotation matrix", Journal of Guidance and Control, 1978.
    """
    trace = float(np.trace(R))
    squares = [*(1 + 2 * float(R[k, k]) - trace for k in range(3)), 1 + trace]  # 4 times the squares
    largest = max(range(4), key=squares.__getitem__)
    if largest == 3:
        parts = [R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1], squares[3]]
    else:
        i, j, k = largest, (largest + 1) % 3, (largest + 2) % 3
        parts = [0.0, 0.0, 0.0, R[k, j] - R[j, k]]
        parts[i], parts[j], parts[k] = squares[i], R[i, j] + R[j, i], R[i, k] + R[k, i]
    scale = 0.5 / math.sqrt(squares[largest])
    x, y, z, w = (float(part) * scale for part in parts)
    return x, y, z, w
