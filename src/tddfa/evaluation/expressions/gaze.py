"""Directions of gaze: where the eyeLook coefficients turn the eyeballs of the open face model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tddfa.morphable import open_face_model
from tddfa.shapes import Float, Float32, Float64


def gaze_directions(
    names: Sequence[str], expression: Float[np.ndarray, "n e"]
) -> Float32[np.ndarray, "n 2 3"]:
    """Return where the subject's left and right eye look: unit vectors in the frame of the head.

    The frame is that of the face model: x to the subject's left, y up, z out of the face. An eye looks where
    its eyeball is turned to; at rest, straight ahead.

    Args:
        names: of the columns of `expression`, of the open face model's; those that are not there count as 0.
        expression: ARKit coefficients.
    """
    model = open_face_model(level=0)
    assert model.eyes is not None  # the open face model has some
    columns = [model.expression_index(name) for name in names]
    full = np.zeros((len(expression), model.n_expression))
    full[:, columns] = expression
    directions = [model.eyes.gaze(coefficients).directions for coefficients in full]
    return np.array(directions, np.float32).reshape(-1, 2, 3)


def gaze_errors_deg(
    predicted: Float32[np.ndarray, "n 2 3"], truth: Float32[np.ndarray, "n 2 3"]
) -> Float64[np.ndarray, " n"]:
    """Return the angle between two directions of gaze, mean of both eyes, degrees."""
    a, b = predicted.astype(np.float64), truth.astype(np.float64)
    sine, cosine = np.linalg.norm(np.cross(a, b), axis=2), (a * b).sum(axis=2)
    return np.degrees(np.arctan2(sine, cosine)).mean(axis=1)
