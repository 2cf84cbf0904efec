"""The One-Euro filter on a face: calm when it rests, quick when it moves.

Source: Casiez, Roussel and Vogel, "1€ filter: a simple speed-based low-pass filter for noisy input in
interactive systems", 2012. On rotations the average is taken along the great circle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tddfa.geometry.rotation import rotation_about, rotation_vector
from tddfa.shapes import Float64
from tddfa.tracking.face import TrackedFace
from tddfa.tracking.motion import Place
from tddfa.tracking.smoothing.state import FaceState, face_with, landmark_reach, pivot_of
from tddfa.types import Face

_FRAME_S = 1 / 30  # where two frames have the same time


@dataclass(frozen=True, slots=True)
class Tuning:
    """How one group of parameters is filtered.

    Attributes:
        min_cutoff: of what rests, Hz; lower is calmer.
        beta: Hz more per unit of speed (sizes of the face per second); higher follows sooner.
        speed_cutoff: of the speed itself, Hz.
    """

    min_cutoff: float
    beta: float
    speed_cutoff: float = 2.0


POSE = Tuning(min_cutoff=2.5, beta=14.0)
EXPRESSION = Tuning(min_cutoff=2.0, beta=60.0)
IDENTITY = Tuning(min_cutoff=0.5, beta=0.0)


class OneEuro:
    """Smooths each face with what was before: no frame is delayed.

    Args:
        pose: rotation, scale and place.
        expression: the expression coefficients.
        identity: the identity coefficients.
    """

    delay: int | None = 0

    def __init__(
        self, *, pose: Tuning = POSE, expression: Tuning = EXPRESSION, identity: Tuning = IDENTITY
    ) -> None:
        self._tunings = (pose, expression, identity)
        self._people: dict[int, _Person] = {}

    def push(self, faces: Sequence[TrackedFace], time: float) -> list[list[TrackedFace]]:
        """Take the faces of the next frame; returns them smoothed."""
        people: dict[int, _Person] = {}
        out: list[TrackedFace] = []
        for tracked in faces:
            if not tracked.visible:  # a person who comes back starts anew
                out.append(tracked)
                continue
            person = self._people.get(tracked.id)
            if person is None:
                person, face = _Person(tracked.face, time, *self._tunings), tracked.face
            else:
                face = person.smooth(tracked.face, time)
            people[tracked.id] = person
            out.append(replace(tracked, face=face))
        self._people = people
        return [out]

    def flush(self) -> list[list[TrackedFace]]:
        """Nothing is left."""
        return []


class _Filter:
    """One group of parameters: how far to follow them, by the speed that their landmarks have.

    Args:
        tuning: of the group.
        reach: movement in sizes of the face per unit of each parameter, for one landmark coordinate a row.
    """

    def __init__(self, tuning: Tuning, reach: Float64[np.ndarray, "m n"]) -> None:
        self._tuning = tuning
        self._reach = reach
        self._velocity: Float64[np.ndarray, " n"] = np.zeros(reach.shape[1])

    def part(self, step: Float64[np.ndarray, " n"], elapsed: float) -> float:
        """Which part of the way from the smoothed to the new value to go.

        Args:
            step: how much the new parameters differ from those before.
            elapsed: between the two, s.
        """
        tuning = self._tuning
        if tuning.beta:
            self._velocity += _part(tuning.speed_cutoff, elapsed) * (step / elapsed - self._velocity)
            points = (self._reach @ self._velocity).reshape(-1, 3)
            speed = float(np.sqrt((points**2).sum(axis=1).mean()))
        else:
            speed = 0.0
        return _part(tuning.min_cutoff + tuning.beta * speed, elapsed)


class _Person:
    """The filters of one face."""

    def __init__(self, face: Face, time: float, pose: Tuning, expression: Tuning, identity: Tuning) -> None:
        self._pivot = pivot_of(face)
        self._time = time
        self._raw = self._smooth = FaceState.of(face.params, self._pivot)
        points, by_identity, by_expression = landmark_reach(face, self._pivot)
        turning = np.stack([np.cross(axis, points) for axis in np.eye(3)], axis=-1).reshape(-1, 3)
        growing, going = points.reshape(-1, 1), np.tile(np.eye(3), (len(points), 1))
        self._pose = _Filter(pose, np.hstack([turning, growing, going]))
        self._identity = _Filter(identity, by_identity)
        self._expression = _Filter(expression, by_expression)

    def smooth(self, face: Face, time: float) -> Face:
        """The face of the next frame, smoothed."""
        elapsed = time - self._time if time > self._time else _FRAME_S
        old, new, last = self._raw, FaceState.of(face.params, self._pivot), self._smooth
        size = Place.of(face).size
        step = np.concatenate(
            [
                old.rotation.T @ rotation_vector(new.rotation @ old.rotation.T),
                [new.log_scale - old.log_scale],
                old.rotation.T @ (new.center - old.center) / size,
            ]
        )
        a = self._pose.part(step, elapsed)
        b = self._identity.part(new.identity - old.identity, elapsed)
        c = self._expression.part(new.expression - old.expression, elapsed)
        self._smooth = FaceState(
            rotation=rotation_about(a * rotation_vector(new.rotation @ last.rotation.T)) @ last.rotation,
            log_scale=last.log_scale + a * (new.log_scale - last.log_scale),
            center=last.center + a * (new.center - last.center),
            residual=last.residual + a * (new.residual - last.residual),
            identity=last.identity + b * (new.identity - last.identity),
            expression=last.expression + c * (new.expression - last.expression),
        )
        self._raw, self._time = new, time
        return face_with(face, self._smooth.params(self._pivot, face.params.confidence))


def _part(cutoff: float, elapsed: float) -> float:
    """The weight of the new value in a first-order low-pass filter."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff * elapsed))
