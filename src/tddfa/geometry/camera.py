"""The affine camera `image_from_model` and what follows from it."""

from __future__ import annotations

import numpy as np

from tddfa.geometry.rotation import head_pose, nearest_rotation
from tddfa.shapes import Float, Float32, Float64
from tddfa.types import HeadPose


def project(
    camera: Float64[np.ndarray, "3 4"], points: Float[np.ndarray, "n 3"]
) -> Float32[np.ndarray, "n 3"]:
    """Return `points` of the model frame (mm) in the image frame (px)."""
    # One product in the precision of the points, as dense meshes are large; the shift is added in float64
    # only when the points have it.
    projected = points @ camera[:, :3].T.astype(points.dtype)
    for k, shift in enumerate(camera[:, 3].astype(points.dtype)):
        projected[:, k] += shift  # column by column: numpy is slow along rows of three
    return projected.astype(np.float32, copy=False)


def camera_scale(camera: Float64[np.ndarray, "3 4"]) -> float:
    """Return the pixels per millimetre: the mean length of the rows that make x and y."""
    return float((np.linalg.norm(camera[0, :3]) + np.linalg.norm(camera[1, :3])) / 2)


def camera_rotation(camera: Float64[np.ndarray, "3 4"]) -> Float64[np.ndarray, "3 3"]:
    """Return the rotation nearest to the camera's linear part, image frame from model frame."""
    return nearest_rotation(camera[:, :3])


def camera_pose(camera: Float64[np.ndarray, "3 4"]) -> HeadPose:
    """Return the head pose that the camera sees."""
    return head_pose(camera_rotation(camera))


def scaled_camera(
    scale: float, R: Float64[np.ndarray, "3 3"], center: Float[np.ndarray, " xy"]
) -> Float64[np.ndarray, "3 4"]:
    """Return the scaled orthographic camera that shows the model's origin at `center` (px), z = 0."""
    return np.column_stack([scale * R, [center[0], center[1], 0.0]])
