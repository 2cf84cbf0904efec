"""The identity of a person over the frames of a shot: one shape for all of them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from tddfa.shapes import Float64
from tddfa.types import Face

# A profile shows little of the shape, but it has to count where nothing else is seen.
_LEAST_WEIGHT = 0.02

_ENOUGH = 10.0  # frames from the front whose mean a further one hardly changes


class PersonShape:
    """The mean of the identity coefficients of a person over the frames so far.

    The mesh of each frame stays as it is: what it has beyond the mean becomes its corrective.
    """

    def __init__(self) -> None:
        self._mean: Float64[np.ndarray, " n_identity"] | None = None
        self._weight = 0.0
        self._given: object = None

    @property
    def is_known(self) -> bool:
        """Whether further frames would hardly change the mean."""
        return self._weight >= _ENOUGH

    def see(self, face: Face) -> Face:
        """Take the face of the next frame; return it with the mean identity.

        Faces of networks that do not tell a person's identity from what an image adds come back as they are.
        """
        params = face.params
        if params.corrective is None or params.identity is self._given:
            return face  # the identity of a face that was followed is the one given before
        turn = math.cos(math.radians(face.pose.yaw_deg))
        weight = max(turn, 0.0) ** 4 + _LEAST_WEIGHT
        self._weight += weight
        if self._mean is None:
            self._mean = params.identity.astype(np.float64)
        else:
            self._mean += weight / self._weight * (params.identity - self._mean)
        self._given = mean = self._mean.astype(np.float32)
        return replace(face, params=params.with_identity(mean))
