"""The crops of the open face model: where the face ends on the head."""

from __future__ import annotations

import numpy as np

from tddfa.shapes import Float

BELOW_HAIR = (0.42, -1.0, 53.8)
BEFORE_EARS = (1.0, 0.0, 66.5)
ABOVE_THROAT = (0.62, 1.0, 120.5)
"""Planes a z + b y + c = 0 that bound the face, positive inside; model frame of the mean face, mm."""
ROUNDING_MM = 7.0
"""How far the corners between the planes are rounded."""


def face_depth(points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    """Return how far inside the border of the face points of the mean head lie, mm; negative outside.

    The face reaches from the hairline to under the chin and to the ears. Its border is smooth.

    Args:
        points: model frame, mm.
    """
    _, y, z = points.T
    distances = np.stack([(a * z + b * y + c) / np.hypot(a, b) for a, b, c in _PLANES])
    nearest = distances.min(axis=0)
    # A minimum without corners.
    return nearest - ROUNDING_MM * np.log(np.exp((nearest - distances) / ROUNDING_MM).sum(axis=0))


_PLANES = (BELOW_HAIR, BEFORE_EARS, ABOVE_THROAT)
