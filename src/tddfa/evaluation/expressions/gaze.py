"""Directions of gaze: what the eyeLook coefficients do to the eyeballs of the open face model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from jaxtyping import Float, Float32, Float64

from tddfa.geometry.rotation import nearest_rotation
from tddfa.morphable import MorphableModel

_AHEAD = np.array([0.0, 0.0, 1.0])


def gaze_directions(
    names: Sequence[str], expression: Float[np.ndarray, "n e"]
) -> Float32[np.ndarray, "n 2 3"]:
    """Return where the subject's left and right eye look: unit vectors in the frame of the head.

    The frame is that of the face model: x to the subject's left, y up, z out of the face. An eye looks where
    its eyeball is turned to; at rest, straight ahead.

    Args:
        names: of the columns of `expression`; those that are not there count as 0.
        expression: ARKit coefficients.
    """
    balls, looks = _eyeballs()
    columns = {name: k for k, name in enumerate(names)}
    out = np.empty((len(expression), 2, 3), np.float32)
    for k, coefficients in enumerate(expression):
        for side, (ball, basis) in enumerate(balls):
            w = np.array([coefficients[columns[name]] if name in columns else 0.0 for name in looks])
            moved = ball + basis @ w
            # The rotation that carries the eyeball at rest onto the moved one.
            R = nearest_rotation((moved - moved.mean(axis=0)).T @ (ball - ball.mean(axis=0)))
            out[k, side] = R @ _AHEAD
    return out


def gaze_errors_deg(
    predicted: Float32[np.ndarray, "n 2 3"], truth: Float32[np.ndarray, "n 2 3"]
) -> Float64[np.ndarray, " n"]:
    """Return the angle between two directions of gaze, mean of both eyes, degrees."""
    a, b = predicted.astype(np.float64), truth.astype(np.float64)
    sine, cosine = np.linalg.norm(np.cross(a, b), axis=2), (a * b).sum(axis=2)
    return np.degrees(np.arctan2(sine, cosine)).mean(axis=1)


@cache
def _eyeballs() -> tuple[list[tuple[Float64[np.ndarray, "m 3"], Float64[np.ndarray, "m 3 k"]]], list[str]]:
    """Return the left and the right eyeball: vertices, their change by the coefficients; and the names."""
    model = MorphableModel.open(level=0, crop="head")
    neutral = model.shape(model.params()).astype(np.float64)
    on_ball = model.regions["eyeballs"]
    names = [name for name in model.expression_names if name.startswith("eyeLook")]
    moved = np.stack([model.shape(model.params(expression={n: 1.0})) for n in names], axis=-1)
    parts = [on_ball & (side * neutral[:, 0] > 0) for side in (1, -1)]
    return [(neutral[part], moved[part] - neutral[part][..., None]) for part in parts], names
