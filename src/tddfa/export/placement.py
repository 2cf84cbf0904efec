"""Where a face stands in a glTF scene."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.errors import InputError
from tddfa.geometry.camera import camera_rotation, camera_scale
from tddfa.shapes import Float64
from tddfa.types import FaceParams

Unit: TypeAlias = Literal["m", "px"]
"""Metres around the centre of the image, or pixels from its lower left corner."""

_Y_UP = np.diag([1.0, -1.0, -1.0])  # scene frame (y up, z to the viewer) from image frame


@dataclass(frozen=True, slots=True)
class Placement:
    """From image and model frame to the scene: x right, y up, z to the viewer.

    Attributes:
        height: height of the image, px.
        center: centre of the image, px.
        metres_per_pixel: the same for all faces, so that they keep their places among each other; None where
            the unit of the scene is the pixel.
    """

    height: int
    center: tuple[float, float]
    metres_per_pixel: float | None

    @classmethod
    def of(cls, size: tuple[int, int], faces: Sequence[FaceParams], unit: Unit) -> Placement:
        """Return the placement of the faces of an image of `size` (height, width).

        Raises:
            InputError: the cameras show the faces without any size.
        """
        height, width = size
        scale = float(np.mean([camera_scale(params.camera) for params in faces])) if faces else 1.0
        if not scale > 0:
            raise InputError("the cameras of the faces have the scale 0; give cameras of some px per mm")
        return cls(height, ((width - 1) / 2, (height - 1) / 2), None if unit == "px" else 1e-3 / scale)

    def transform(self, camera: Float64[np.ndarray, "3 4"]) -> dict[str, list[float]]:
        """Return the properties of a node whose mesh is in metres of the model frame."""
        x, y = camera[:2, 3]
        scale = 1.0
        if self.metres_per_pixel is None:
            translation = [x, self.height - y, 0.0]
            scale = 1e3 * camera_scale(camera)
        else:
            away = np.array([x - self.center[0], self.center[1] - y, 0.0])
            translation = (away * self.metres_per_pixel).tolist()
        return {
            "rotation": quaternion(_Y_UP @ camera_rotation(camera)).tolist(),
            "translation": [float(v) for v in translation],
            "scale": [float(scale)] * 3,
        }


def quaternion(R: Float64[np.ndarray, "3 3"]) -> Float64[np.ndarray, "4"]:
    """Return the unit quaternion (x, y, z, w) of a rotation, w >= 0.

    Source: Bar-Itzhack, "New method for extracting the quaternion from a rotation matrix", 2000: the
        eigenvector of the largest eigenvalue; exact also near half turns.
    """
    K = np.array(
        [
            [R[0, 0] - R[1, 1] - R[2, 2], R[1, 0] + R[0, 1], R[2, 0] + R[0, 2], R[2, 1] - R[1, 2]],
            [R[1, 0] + R[0, 1], R[1, 1] - R[0, 0] - R[2, 2], R[2, 1] + R[1, 2], R[0, 2] - R[2, 0]],
            [R[2, 0] + R[0, 2], R[2, 1] + R[1, 2], R[2, 2] - R[0, 0] - R[1, 1], R[1, 0] - R[0, 1]],
            [R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1], R[0, 0] + R[1, 1] + R[2, 2]],
        ]
    )
    q = np.linalg.eigh(K)[1][:, -1]
    return q if q[3] >= 0 else -q


def continuous(rotations: Float64[np.ndarray, "n 4"]) -> Float64[np.ndarray, "n 4"]:
    """Return the quaternions with signs such that players turn the short way from each to the next."""
    signs = np.sign((rotations[1:] * rotations[:-1]).sum(axis=1))
    return rotations * np.concatenate([[1.0], np.cumprod(np.where(signs == 0, 1, signs))])[:, None]
