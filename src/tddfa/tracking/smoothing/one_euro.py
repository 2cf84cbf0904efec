"""The One-Euro filter on a face: strong while it rests, weak while it moves.

Source: Casiez, Roussel and Vogel, "1€ filter: a simple speed-based low-pass filter for noisy input in
interactive systems", 2012. Rotations are averaged along the great circle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.geometry.rotation import rotation_about, rotation_vector
from tddfa.shapes import Float64
from tddfa.tracking.face import TrackedFace
from tddfa.tracking.smoothing.state import FaceState, face_with, landmark_jacobians, pivot_of
from tddfa.tracking.trajectory import FacePosition
from tddfa.types import Face

_FRAME_S = 1 / 30  # time step, s, assumed where two frames have the same time


@dataclass(frozen=True, slots=True)
class Tuning:
    """How one group of parameters is filtered.

    Attributes:
        min_cutoff: cutoff frequency at rest, Hz; a lower one filters more.
        beta: rise of the cutoff, Hz per unit of speed (sizes of the face per second); a higher one lags less.
        speed_cutoff: cutoff frequency of the speed itself, Hz.
    """

    min_cutoff: float
    beta: float
    speed_cutoff: float = 2.0


POSE = Tuning(min_cutoff=2.5, beta=14.0)
EXPRESSION = Tuning(min_cutoff=2.0, beta=60.0)
IDENTITY = Tuning(min_cutoff=0.5, beta=0.0)


class OneEuro:
    """Smooth each face with the frames before: no frame is delayed.

    Args:
        pose: tuning of rotation, scale and position.
        expression: tuning of the expression coefficients.
        identity: tuning of the identity coefficients.
    """

    delay: int | None = 0

    def __init__(
        self, *, pose: Tuning = POSE, expression: Tuning = EXPRESSION, identity: Tuning = IDENTITY
    ) -> None:
        self._tunings = (pose, expression, identity)
        self._filters: dict[int, _FaceFilter] = {}

    def push(self, faces: Sequence[TrackedFace], time: float) -> list[list[TrackedFace]]:
        """Take the faces of the next frame; return them smoothed."""
        filters: dict[int, _FaceFilter] = {}
        out: list[TrackedFace] = []
        for tracked in faces:
            if not tracked.visible:
                out.append(tracked)
                continue
            filter = self._filters.get(tracked.id)
            if filter is None or tracked.begins:
                filter, face = _FaceFilter(tracked.face, time, *self._tunings), tracked.face
            else:
                face = filter.smooth(tracked.face, time)
            filters[tracked.id] = filter
            out.append(replace(tracked, face=face))
        self._filters = filters
        return [out]

    def flush(self) -> list[list[TrackedFace]]:
        """Return nothing: no frame is left."""
        return []


class _GroupFilter:
    """The filter of one group of parameters, whose cutoff rises with the speed of the landmarks.

    Args:
        tuning: how the group is filtered.
        jacobian: movement of each landmark coordinate, in sizes of the face, per unit of each parameter.
    """

    def __init__(self, tuning: Tuning, jacobian: Float64[np.ndarray, "m n"]) -> None:
        self._tuning = tuning
        self._jacobian = jacobian
        self._velocity: Float64[np.ndarray, " n"] = np.zeros(jacobian.shape[1])

    def weight(self, step: Float64[np.ndarray, " n"], elapsed: float) -> float:
        """Return the weight of the new value beside the smoothed one.

        Args:
            step: difference of the new parameters from those before.
            elapsed: time between the two, s.
        """
        tuning = self._tuning
        if tuning.beta:
            self._velocity += _weight(tuning.speed_cutoff, elapsed) * (step / elapsed - self._velocity)
            points = (self._jacobian @ self._velocity).reshape(-1, 3)
            speed = float(np.sqrt((points**2).sum(axis=1).mean()))
        else:
            speed = 0.0
        return _weight(tuning.min_cutoff + tuning.beta * speed, elapsed)


class _FaceFilter:
    """The filters of one face."""

    def __init__(self, face: Face, time: float, pose: Tuning, expression: Tuning, identity: Tuning) -> None:
        self._pivot = pivot_of(face)
        self._time = time
        self._raw = self._smooth = FaceState.of(face.params, self._pivot)
        points, by_identity, by_expression = landmark_jacobians(face, self._pivot)
        turning = np.stack([np.cross(axis, points) for axis in np.eye(3)], axis=-1).reshape(-1, 3)
        growing, going = points.reshape(-1, 1), np.tile(np.eye(3), (len(points), 1))
        self._pose = _GroupFilter(pose, np.hstack([turning, growing, going]))
        self._shape = _GroupFilter(identity, by_identity)
        self._expression = _GroupFilter(expression, by_expression)

    def smooth(self, face: Face, time: float) -> Face:
        """Return the face of the next frame, smoothed."""
        elapsed = time - self._time if time > self._time else _FRAME_S
        old, new, last = self._raw, FaceState.of(face.params, self._pivot), self._smooth
        size = FacePosition.of(face).size
        step = np.concatenate(
            [
                old.rotation.T @ rotation_vector(new.rotation @ old.rotation.T),
                [new.log_scale - old.log_scale],
                old.rotation.T @ (new.center - old.center) / size,
            ]
        )
        a = self._pose.weight(step, elapsed)
        b = self._shape.weight(new.shape - old.shape, elapsed)
        c = self._expression.weight(new.expression - old.expression, elapsed)
        self._smooth = FaceState(
            rotation=rotation_about(a * rotation_vector(new.rotation @ last.rotation.T)) @ last.rotation,
            log_scale=last.log_scale + a * (new.log_scale - last.log_scale),
            center=last.center + a * (new.center - last.center),
            residual=last.residual + a * (new.residual - last.residual),
            shape=last.shape + b * (new.shape - last.shape),
            expression=last.expression + c * (new.expression - last.expression),
        )
        self._raw, self._time = new, time
        return face_with(face, self._smooth.params(self._pivot, face.params))


def _weight(cutoff: float, elapsed: float) -> float:
    """Return the weight of the new value in a first-order low-pass filter."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff * elapsed))
