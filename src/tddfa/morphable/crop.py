"""The crops of the open face model: where the face ends on the head."""

from __future__ import annotations

import numpy as np

from tddfa.shapes import Float

BELOW_HAIR = (0.42, -1.0, 53.8)
BEFORE_EARS = (1.0, 0.0, 66.5)
ABOVE_THROAT = (0.62, 1.0, 120.5)
"""Planes a z + b y + c = 0 that bound the face, positive inside; model frame of the mean face, mm."""
ABOVE_NECK_MM, BEFORE_NECK_MM, NECK_ROUNDING_MM = -54.0, -83.0, 18.0
"""Height of the nape at which a head without its neck ends, how far back its jaw goes, and how far the corner
between them is rounded; model frame of the mean face."""
ROUNDING_MM = 7.0
"""How far the corners between the planes are rounded."""


def face_depth(points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    """Return how far inside the border of the face points of the mean head lie, mm; negative outside.

    The face reaches from the hairline to under the chin and to the ears. Its border is smooth.

    Args:
        points: model frame, mm.
    """
    return _depth(points, (BELOW_HAIR, BEFORE_EARS, ABOVE_THROAT))


def hair_depth(points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    """Return how far below the hairline and before the ears points of the mean head lie, mm.

    Args:
        points: model frame, mm.
    """
    return _depth(points, (BELOW_HAIR, BEFORE_EARS))


def _depth(
    points: Float[np.ndarray, "n 3"], planes: tuple[tuple[float, float, float], ...]
) -> Float[np.ndarray, " n"]:
    _, y, z = points.T
    distances = np.stack([(a * z + b * y + c) / np.hypot(a, b) for a, b, c in planes])
    nearest = distances.min(axis=0)
    # A minimum without corners.
    return nearest - ROUNDING_MM * np.log(np.exp((nearest - distances) / ROUNDING_MM).sum(axis=0))


def mannequin_depth(points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    """Return how far inside the border of a head without its neck points of the mean head lie, mm.

    The base mesh ends in a stump of the neck, with a notch below each ear. The border goes along the jaw, and
    from the notches around the nape.

    Args:
        points: model frame, mm.
    """
    _, y, z = points.T
    above, before = y - ABOVE_NECK_MM, z - BEFORE_NECK_MM
    # A maximum without a corner.
    return NECK_ROUNDING_MM * np.logaddexp(above / NECK_ROUNDING_MM, before / NECK_ROUNDING_MM)
