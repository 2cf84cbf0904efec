"""Where the eyes look."""

from __future__ import annotations

import math

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.shapes import Float64
from tddfa.types.pose import HeadPose


@dataclass(frozen=True, slots=True)
class GazeAngles:
    """Directions of the eyes, degrees; positive yaw is to the left of the image, positive pitch up.

    The angles of the eyes are in the head frame: 0 looks where the nose points.

    Attributes:
        left_yaw_deg: of the subject's left eye.
        left_pitch_deg: of the subject's left eye.
        right_yaw_deg: of the subject's right eye.
        right_pitch_deg: of the subject's right eye.
        head: pose of the head.
    """

    left_yaw_deg: float
    left_pitch_deg: float
    right_yaw_deg: float
    right_pitch_deg: float
    head: HeadPose

    @classmethod
    def of(cls, directions: Float64[np.ndarray, "2 3"], head: HeadPose) -> GazeAngles:
        """Return the angles of two lines of sight.

        Args:
            directions: unit vectors of the subject's left and right eye, model frame.
            head: pose of the head.
        """
        (left_yaw, left_pitch), (right_yaw, right_pitch) = (_angles(*d) for d in directions.tolist())
        return cls(left_yaw, left_pitch, right_yaw, right_pitch, head)

    def __repr__(self) -> str:
        return (
            f"GazeAngles(yaw_deg={self.yaw_deg:.1f}, pitch_deg={self.pitch_deg:.1f}, "
            f"image_yaw_deg={self.image_yaw_deg:.1f}, image_pitch_deg={self.image_pitch_deg:.1f})"
        )

    @property
    def yaw_deg(self) -> float:
        """Mean yaw of both eyes, in the head frame."""
        return (self.left_yaw_deg + self.right_yaw_deg) / 2

    @property
    def pitch_deg(self) -> float:
        """Mean pitch of both eyes, in the head frame."""
        return (self.left_pitch_deg + self.right_pitch_deg) / 2

    @property
    def direction(self) -> tuple[float, float, float]:
        """Unit vector along the line of sight of both eyes, image frame; (0, 0, -1) looks at the camera."""
        yaw, pitch = math.radians(self.yaw_deg), math.radians(self.pitch_deg)
        in_head = [-math.sin(yaw), math.sin(pitch) * math.cos(yaw), math.cos(pitch) * math.cos(yaw)]
        x, y, z = (self.head.matrix @ np.array(in_head)).tolist()
        return x, y, z

    @property
    def image_yaw_deg(self) -> float:
        """Yaw of the line of sight, head and eyes together; positive to the left of the image."""
        x, y, z = self.direction
        return _angles(x, -y, -z)[0]

    @property
    def image_pitch_deg(self) -> float:
        """Pitch of the line of sight, head and eyes together; positive looks up."""
        x, y, z = self.direction
        return _angles(x, -y, -z)[1]


def _angles(x: float, y: float, z: float) -> tuple[float, float]:
    """Return yaw and pitch of a unit vector (y up, z to the front) as `HeadPose` has them for the nose."""
    # + 0.0 turns the -0.0 of eyes that look straight ahead into 0.0.
    return math.degrees(math.asin(min(max(-x, -1.0), 1.0))) + 0.0, math.degrees(math.atan2(y, z)) + 0.0
