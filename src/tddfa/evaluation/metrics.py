"""Errors of landmarks and head poses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tddfa.geometry.rotation import geodesic_deg, head_rotation
from tddfa.shapes import Bool, Float, Float64
from tddfa.types import HeadPose

# The 21 points of AFLW as means of some of the 68, 0-based.
# Source: the benchmark of the first 3DDFA project, whose list is 1-based.
_AFLW21 = (
    *((k,) for k in (17, 19, 21, 22, 24, 26)),
    *((36,), (36, 37, 38, 39, 40, 41), (39,), (42,), (42, 43, 44, 45, 46, 47), (45,)),
    *((2,), (31,), (30,), (35,), (14,)),
    *((48,), (60, 61, 62, 63, 64, 65, 66, 67), (54,), (8,)),
)


def box_sizes(points: Float[np.ndarray, "n p 2"]) -> Float64[np.ndarray, " n"]:
    """Return √(width · height) of the box around the points of each face, px: the unit of landmark errors."""
    return np.sqrt(np.prod(np.ptp(points, axis=1), axis=1)).astype(np.float64)


def landmark_errors(
    predicted: Float[np.ndarray, "n p 2"],
    truth: Float[np.ndarray, "n p 2"],
    sizes: Float64[np.ndarray, " n"],
    visible: Bool[np.ndarray, "n p"] | None = None,
) -> Float64[np.ndarray, " n"]:
    """Return the mean distance of the points of each face to the truth, percent of `sizes`: its NME.

    Args:
        predicted: px.
        truth: px.
        sizes: px, see `box_sizes`.
        visible: which points of the truth count; all when not given. A face without any gets NaN.
    """
    distances = np.linalg.norm(predicted.astype(np.float64) - truth, axis=2)
    if visible is None:
        return 100 * distances.mean(axis=1) / sizes
    counts = visible.sum(axis=1)
    sums = (distances * visible).sum(axis=1)
    return np.where(counts > 0, 100 * sums / np.maximum(counts, 1) / sizes, np.nan)


def aflw21(points: Float[np.ndarray, "n 68 2"]) -> Float64[np.ndarray, "n 21 2"]:
    """Return the 21 points of AFLW from the 68 of iBUG."""
    return np.stack([points[:, list(part)].mean(axis=1) for part in _AFLW21], axis=1).astype(np.float64)


def eye_aspect_ratios(points: Float[np.ndarray, "n 68 d"]) -> Float64[np.ndarray, "n 2"]:
    """Return the aspect ratio of the right and the left eye of each face: lid distance over eye width.

    Source: Soukupová and Čech, "Real-time eye blink detection using facial landmarks", 2016, equation 1.
    """
    right = aspect_ratio(points[:, 36:42])
    left = aspect_ratio(points[:, 42:48])
    return np.stack([right, left], axis=1)


def aspect_ratio(eye: Float[np.ndarray, "n 6 d"]) -> Float64[np.ndarray, " n"]:
    """Return the ratio of one eye from six points: corner, two on the upper lid, corner, two on the lower."""
    p = eye[:, :, :2].astype(np.float64)
    lids = np.linalg.norm(p[:, 1] - p[:, 5], axis=1) + np.linalg.norm(p[:, 2] - p[:, 4], axis=1)
    return lids / np.maximum(2 * np.linalg.norm(p[:, 0] - p[:, 3], axis=1), np.finfo(np.float64).tiny)


def pose_errors_deg(
    predicted: Sequence[HeadPose], truth: Sequence[HeadPose]
) -> tuple[Float64[np.ndarray, "n 3"], Float64[np.ndarray, " n"]]:
    """Return the absolute error of (yaw, pitch, roll) of each face, and the geodesic angle."""
    angles = np.array(
        [
            (p.yaw_deg - t.yaw_deg, p.pitch_deg - t.pitch_deg, p.roll_deg - t.roll_deg)
            for p, t in zip(predicted, truth, strict=True)
        ],
        np.float64,
    ).reshape(-1, 3)
    # An angle of 179° is 2° from one of -179°.
    angles = np.abs((angles + 180) % 360 - 180)
    geodesic = [
        geodesic_deg(head_rotation(p), head_rotation(t)) for p, t in zip(predicted, truth, strict=True)
    ]
    return angles, np.array(geodesic, np.float64)
