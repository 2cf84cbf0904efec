"""Which part of a face's movement is followed."""

from __future__ import annotations

import numpy as np

from tddfa.shapes import Bool, Float, Float64

_STILL = 0.1  # of the largest movement: points that move less stand still
_FEWEST_STILL = 10
_ROUNDS = 10
_LEAST = 1e-4  # largest movement that is one, in sides of the box around the points; less is rounding


def movement_followed(
    base: Float[np.ndarray, "p d"],
    moved: Float[np.ndarray, "p d"],
    true_base: Float[np.ndarray, "p d"],
    true_moved: Float[np.ndarray, "p d"],
) -> tuple[float, float]:
    """Return the part of a true movement that a prediction makes, and what it makes otherwise.

    Both movements are those between two images of a face. The head is held still by the similarity
    transform that brings the still points of the second image onto those of the first, for truth and
    prediction each; a point stands still where the truth moves by less than a tenth of its largest movement.
    With d and r the movements of all points of the truth and of the prediction in x and y, the first number
    is r·d / d·d: 1 when all of the movement is followed, 0 when none is, whatever else moves. The second is
    ‖r − d‖ / ‖d‖: 0 for a perfect prediction, 1 for one that never moves. Both are NaN where nothing moves.

    Args:
        base: predicted points, px.
        moved: the same in the second image.
        true_base: the true points of the first image, px.
        true_moved: those of the second.
    """
    still = still_in(true_moved, true_base)
    truth = held_still(true_moved, true_base, still)
    d = (truth - true_base)[:, :2].astype(np.float64)
    r = (held_still(moved, base, still) - base)[:, :2].astype(np.float64)
    total = float((d * d).sum())
    if np.abs(d).max() <= _LEAST * np.ptp(true_base[:, :2], axis=0).max():
        return float("nan"), float("nan")
    return float((r * d).sum()) / total, float(np.sqrt(np.square(r - d).sum() / total))


def still_in(moved: Float[np.ndarray, "p d"], base: Float[np.ndarray, "p d"]) -> Bool[np.ndarray, " p"]:
    """Return which points stand still in the frame of the head."""
    everything = held_still(moved, base, np.ones(len(base), bool))
    lengths = [np.linalg.norm((points - base)[:, :2], axis=1) for points in (moved, everything)]
    # Where the head stood still between the images, it is best left so.
    still = still_points(min(lengths, key=lambda length: float(np.median(length))))
    for _ in range(_ROUNDS):
        before = still
        still = still_points(np.linalg.norm((held_still(moved, base, still) - base)[:, :2], axis=1))
        if (still == before).all():
            break
    return still


def still_points(moved_by: Float[np.ndarray, " p"]) -> Bool[np.ndarray, " p"]:
    """Return which points stand still: a tenth of the largest movement or less, or the stillest ten."""
    still = moved_by <= _STILL * moved_by.max()
    if still.sum() < _FEWEST_STILL:
        still = np.zeros(len(moved_by), bool)
        still[np.argsort(moved_by)[:_FEWEST_STILL]] = True
    return still


def held_still(
    points: Float[np.ndarray, "p d"], base: Float[np.ndarray, "p d"], still: Bool[np.ndarray, " p"]
) -> Float64[np.ndarray, "p d"]:
    """Return points after the similarity that brings the still ones nearest to those of `base`.

    Source: Umeyama, "Least-squares estimation of transformation parameters between two point patterns", 1991.
    """
    a, b = points[still].astype(np.float64), base[still].astype(np.float64)
    center_a, center_b = a.mean(axis=0), b.mean(axis=0)
    U, singular, Vt = np.linalg.svd((b - center_b).T @ (a - center_a))
    sign = np.ones(len(singular))
    sign[-1] = np.sign(np.linalg.det(U @ Vt))
    R = (U * sign) @ Vt
    spread = float(np.square(a - center_a).sum())
    scale = float((singular * sign).sum()) / spread if spread > 0 else 1.0
    return scale * (points - center_a) @ R.T + center_b
