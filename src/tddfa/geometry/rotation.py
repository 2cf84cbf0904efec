"""Rotations and the head-pose angles of 300W-LP."""

from __future__ import annotations

import math

import numpy as np

from tddfa.errors import InputError
from tddfa.shapes import Float64
from tddfa.types import HeadPose

# From the image frame (y down, z away) to the frame of 300W-LP (y up, z towards the viewer).
_FLIP_YZ = np.diag([1.0, -1.0, -1.0])

# Below this cosine of yaw, pitch and roll turn about the same axis and only their combination shows.
_GIMBAL_COSINE = 1e-6


def nearest_rotation(M: Float64[np.ndarray, "3 3"]) -> Float64[np.ndarray, "3 3"]:
    """Return the rotation closest to `M` in the Frobenius norm, of any positive scale.

    Args:
        M: a 3×3 matrix of rank 2 or 3.

    Raises:
        InputError: `M` has no closest rotation (rank below 2) or is not finite.

    Source: Schönemann, "A generalized solution of the orthogonal Procrustes problem", 1966.
    """
    if not np.isfinite(M).all():
        raise InputError("a rotation cannot be taken from a matrix with NaN or infinity")
    U, singular, Vt = np.linalg.svd(M)
    if singular[1] <= 1e-12 * max(singular[0], 1e-300):
        raise InputError("a rotation cannot be taken from a matrix of rank below 2")
    handedness = np.sign(np.linalg.det(U @ Vt))
    return (U * [1.0, 1.0, handedness]) @ Vt


def head_rotation(pose: HeadPose) -> Float64[np.ndarray, "3 3"]:
    """Return the rotation of the image frame that has the angles of `pose`."""
    return pose.matrix


def head_pose(R: Float64[np.ndarray, "3 3"]) -> HeadPose:
    """Return the angles of a rotation `R` (image frame from model frame); the inverse of `head_rotation`.

    At yaw = ±90° only a combination of pitch and roll is defined; roll is then 0.
    """
    M = _FLIP_YZ @ R
    sin_yaw = -float(np.clip(M[0, 2], -1.0, 1.0))
    yaw = math.asin(sin_yaw)
    if math.hypot(M[0, 0], M[0, 1]) > _GIMBAL_COSINE:
        pitch = math.atan2(M[1, 2], M[2, 2])
        roll = math.atan2(M[0, 1], M[0, 0])
    else:
        pitch = math.atan2(-M[2, 1], M[1, 1])
        roll = 0.0
    # + 0.0 turns the -0.0 of a face that looks straight ahead into 0.0.
    return HeadPose(math.degrees(yaw) + 0.0, math.degrees(pitch) + 0.0, math.degrees(roll) + 0.0)


def geodesic_deg(A: Float64[np.ndarray, "3 3"], B: Float64[np.ndarray, "3 3"]) -> float:
    """Return the angle of the rotation from `A` to `B`, degrees."""
    # atan2 of sine and cosine: acos alone loses half the digits near 0 and 180 degrees.
    D = A.T @ B
    sine = math.hypot(D[2, 1] - D[1, 2], D[0, 2] - D[2, 0], D[1, 0] - D[0, 1]) / 2
    return math.degrees(math.atan2(sine, (float(np.trace(D)) - 1) / 2))


def rotation_vector(R: Float64[np.ndarray, "3 3"]) -> Float64[np.ndarray, "3"]:
    """Return the axis of a rotation times its angle, rad, in [0, π]; the logarithm on SO(3)."""
    sine = np.array([R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1]]) / 2
    length = float(np.linalg.norm(sine))
    cosine = (float(np.trace(R)) - 1) / 2
    if length < 1e-7:
        if cosine > 0:
            return sine
        # Half a turn: the sine has vanished, but the columns of R + 1 point along the axis.
        columns = R + np.eye(3)
        axis = columns[:, np.argmax(np.linalg.norm(columns, axis=0))]
        return math.pi * axis / np.linalg.norm(axis)
    return sine * (math.atan2(length, cosine) / length)


def rotation_about(vector: Float64[np.ndarray, "3"]) -> Float64[np.ndarray, "3 3"]:
    """Return the rotation about an axis by the length of that axis, rad; the inverse of `rotation_vector`.

    Source: Rodrigues' formula.
    """
    angle = float(np.linalg.norm(vector))
    x, y, z = vector
    K = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    if angle < 1e-9:
        return np.eye(3) + K
    return np.eye(3) + math.sin(angle) / angle * K + (1 - math.cos(angle)) / angle**2 * (K @ K)
