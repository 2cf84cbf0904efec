"""Temporal metrics of landmarks: jitter, lag, overshoot."""

from __future__ import annotations

import numpy as np

from tddfa.evaluation.metrics import box_sizes
from tddfa.shapes import Float, Float64

_LAGS = np.arange(-2.0, 8.0001, 0.05)


def unsteadiness(
    points: Float[np.ndarray, "n p 2"], truth: Float[np.ndarray, "n p 2"]
) -> Float64[np.ndarray, " n-1"]:
    """Return the mean over the points of each step's error against the true step.

    ‖(p_t − p_{t−1}) − (q_t − q_{t−1})‖, percent of the true box's size; NaN where a face is missing.

    Source: Guo et al., "Towards fast, accurate and stable 3D dense face alignment", 2020, section 4.2.
    """
    wrong = np.diff(points.astype(np.float64), axis=0) - np.diff(truth.astype(np.float64), axis=0)
    return 100 * np.linalg.norm(wrong, axis=2).mean(axis=1) / box_sizes(truth[1:])


def acceleration(points: Float[np.ndarray, "n p 2"]) -> Float64[np.ndarray, " n-2"]:
    """Return the mean of ‖p_{t+1} − 2 p_t + p_{t−1}‖ over the points, percent of the box's size.

    NaN without a face. Smooth movements leave little, so on clips without truth this is mostly jitter.
    """
    p = points.astype(np.float64)
    bend = p[2:] - 2 * p[1:-1] + p[:-2]
    return 100 * np.linalg.norm(bend, axis=2).mean(axis=1) / box_sizes(p[1:-1])


def lag_frames(points: Float[np.ndarray, "n p 2"], truth: Float[np.ndarray, "n p 2"]) -> float:
    """Return the delay of the points behind the truth that explains them best, frames.

    Negative when they lead.

    Args:
        points: of a movement that does not stand still.
        truth: of the same frames. A constant offset from it does not count.
    """
    n = len(points)
    times = np.arange(n, dtype=np.float64)
    # Only frames whose delayed truth lies within the sequence, the same for all delays.
    inner = (times >= _LAGS[-1]) & (times <= n - 1 + _LAGS[0])
    p = points.reshape(n, -1).astype(np.float64)[inner]
    q = truth.reshape(n, -1).astype(np.float64)
    p = p - p.mean(axis=0)
    errors: list[float] = []
    for lag in _LAGS:
        at = times[inner] - lag
        low = np.clip(np.floor(at).astype(int), 0, n - 2)
        part = (at - low)[:, None]
        delayed = q[low] * (1 - part) + q[low + 1] * part
        errors.append(float(np.square(p - (delayed - delayed.mean(axis=0))).sum()))
    return float(_LAGS[int(np.argmin(errors))])


def overshoot_percent(points: Float[np.ndarray, "n p 2"], truth: Float[np.ndarray, "n p 2"]) -> float:
    """Return how far the points swing beyond the end of a quick movement, percent of the movement.

    Args:
        points: a rest, the movement, and at least 12 frames of rest behind it.
        truth: of the same frames.
    """
    p, way = points.astype(np.float64), (truth[-1] - truth[0]).astype(np.float64)
    progress = ((p - p[:4].mean(axis=0)) * way).sum(axis=(1, 2)) / np.square(way).sum()
    rest = float(progress[-8:].mean())
    return 100 * max(0.0, float(progress.max()) - rest) / rest if rest > 0 else float("nan")
