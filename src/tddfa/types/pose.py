"""Rotations of the head."""

from __future__ import annotations

import math

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.shapes import Float64

# From the image frame (y down, z away) to the frame of 300W-LP (y up, z towards the viewer).
_FLIP_YZ = np.diag([1.0, -1.0, -1.0])


@dataclass(frozen=True, slots=True)
class HeadPose:
    """Rotation of the head, degrees, with the signs of AFLW2000-3D and 300W-LP.

    Attributes:
        yaw_deg: positive turns the nose to the left of the image; in [-90, 90].
        pitch_deg: positive looks up; in (-180, 180].
        roll_deg: positive turns the head clockwise in the image; in (-180, 180].
    """

    yaw_deg: float
    pitch_deg: float
    roll_deg: float

    def __repr__(self) -> str:
        yaw, pitch, roll = self.yaw_deg, self.pitch_deg, self.roll_deg
        return f"HeadPose(yaw_deg={yaw:.2f}, pitch_deg={pitch:.2f}, roll_deg={roll:.2f})"

    @property
    def matrix(self) -> Float64[np.ndarray, "3 3"]:
        """The rotation, image frame (x right, y down, z away) from model frame (x left, y up, z out).

        Source: 300W-LP, R = Rx(pitch) Ry(yaw) Rz(roll) with y up; here with y down and z away.
        """
        x, y, z = (math.radians(a) for a in (self.pitch_deg, self.yaw_deg, self.roll_deg))
        Rx = np.array([[1, 0, 0], [0, math.cos(x), math.sin(x)], [0, -math.sin(x), math.cos(x)]])
        Ry = np.array([[math.cos(y), 0, -math.sin(y)], [0, 1, 0], [math.sin(y), 0, math.cos(y)]])
        Rz = np.array([[math.cos(z), math.sin(z), 0], [-math.sin(z), math.cos(z), 0], [0, 0, 1]])
        return _FLIP_YZ @ (Rx @ Ry @ Rz)

    @property
    def quaternion(self) -> tuple[float, float, float, float]:
        """`matrix` as a unit quaternion (x, y, z, w), the order of glTF and SciPy; w ≥ 0.

        Source: Shepperd, "Quaternion from rotation matrix", 1978: the largest component first.
        """
        R = self.matrix
        diagonal = np.array([*np.diag(R), np.trace(R)])
        k = int(diagonal.argmax())
        if k == 3:
            q = np.array([R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1], 1 + diagonal[3]])
        else:
            i, j = (k + 1) % 3, (k + 2) % 3
            q = np.empty(4)
            q[k] = 1 - diagonal[3] + 2 * R[k, k]
            q[i], q[j] = R[i, k] + R[k, i], R[j, k] + R[k, j]
            q[3] = R[j, i] - R[i, j]
        q *= (-1 if q[3] < 0 else 1) / np.linalg.norm(q)
        x, y, z, w = q.tolist()
        return x, y, z, w
