"""Eyes of a face model: how expressions turn them."""

from __future__ import annotations

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.shapes import Float, Float32, Float64, Int
from tddfa.types.eye_colors import ELSEWHERE as ELSEWHERE
from tddfa.types.eye_colors import IRIS_RADIUS_MM as IRIS_RADIUS_MM
from tddfa.types.eye_colors import PUPIL_RADIUS_MM as PUPIL_RADIUS_MM
from tddfa.types.eye_colors import eye_colors as eye_colors

_SIDE = {"Left": 1.0, "Right": -1.0}
_TURNS = {"Out": (0.0, 1.0), "In": (0.0, -1.0), "Up": (-1.0, 0.0), "Down": (1.0, 0.0)}
"""Rotation about x and y of the model frame that turns the left eye; y changes its sign for the right eye."""


@dataclass(frozen=True, slots=True, eq=False)
class Gaze:
    """Where two eyes look, relative to the head.

    Angles have the signs of `HeadPose`: positive yaw turns an eye to the subject's right, which is the left
    of the image, and positive pitch looks up. Index 0 is the subject's left eye, 1 the right one.

    Attributes:
        directions: unit vectors in the model frame.
    """

    directions: Float64[np.ndarray, "2 3"]

    @property
    def yaw_deg(self) -> Float64[np.ndarray, " 2"]:
        """Angle to the subject's right of each eye, degrees."""
        return np.rad2deg(np.arctan2(0.0 - self.directions[:, 0], self.directions[:, 2]))

    @property
    def pitch_deg(self) -> Float64[np.ndarray, " 2"]:
        """Angle upwards of each eye, degrees."""
        x, y, z = self.directions.T
        return np.rad2deg(np.arctan2(y, np.hypot(x, z)))

    @property
    def direction(self) -> Float64[np.ndarray, " 3"]:
        """Return the mean direction of both eyes, a unit vector in the model frame."""
        mean = self.directions.mean(axis=0)
        return mean / np.linalg.norm(mean)


@dataclass(frozen=True, slots=True, eq=False)
class Eyes:
    """The eyeballs of a model.

    Attributes:
        turns: displacement of the end of the left and the right eye's unit gaze vector at weight 1 of each
            expression, model frame. The vertices of the eyeballs move by the same linear rule.
        offsets: offset of each mesh vertex from the middle of its pupil, across the gaze, mm on the mean
            face; `ELSEWHERE` for vertices that are not on an eyeball. Interpolated over a triangle it tells
            every pixel and texel what it shows, so that irises are round at every level of detail.
        base_vertices: the base vertices of the eyeballs.
    """

    turns: Float64[np.ndarray, "2 3 n_expression"]
    offsets: Float32[np.ndarray, "n_vertices 2"]
    base_vertices: Int[np.ndarray, " n_base_vertices"]

    def gaze(self, expression: Float[np.ndarray, " n_expression"]) -> Gaze:
        """Return where the eyes look.

        Args:
            expression: expression coefficients.
        """
        ends = np.array([0.0, 0.0, 1.0]) + self.turns @ expression
        return Gaze(ends / np.linalg.norm(ends, axis=1, keepdims=True))


def rotation_of(expression: str, degrees: float) -> Float64[np.ndarray, "3 3"]:
    """Return the rotation in the model frame that an eyeLook expression stands for.

    Args:
        expression: such as `eyeLookOutLeft`, which turns the left eye to the subject's left.
        degrees: angle of the rotation.
    """
    side = next(side for side in _SIDE if expression.endswith(side))
    about_x, about_y = _TURNS[expression.removeprefix("eyeLook").removesuffix(side)]
    a, b = np.deg2rad(degrees) * about_x, np.deg2rad(degrees) * about_y * _SIDE[side]
    Rx = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    Ry = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    return Ry @ Rx


def gaze_turns(names: tuple[str, ...], degrees: dict[str, float]) -> Float64[np.ndarray, "2 3 n_expression"]:
    """Return what each expression adds to the gaze vectors, for `Eyes.turns`.

    Args:
        names: the expressions of the model.
        degrees: how far those that turn an eye do at weight 1.
    """
    turns = np.zeros((2, 3, len(names)))
    for name, angle in degrees.items():
        turns[0 if name.endswith("Left") else 1, :, names.index(name)] = rotation_of(name, angle)[:, 2] - (
            0,
            0,
            1,
        )
    return turns
