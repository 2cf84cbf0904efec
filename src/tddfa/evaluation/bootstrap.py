"""Means of errors over faces and bins of yaw, with bootstrap intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.shapes import Float64, Int

BINS = ("0-30", "30-60", "60-90")
"""Bins of |yaw| in degrees: [0, 30], (30, 60], (60, ∞); the last keeps its usual name."""

_RESAMPLES = 2000
_SEED = 0


def yaw_bins(yaw_deg: Float64[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Return the number of the bin of each face."""
    return np.digitize(np.abs(yaw_deg), (30.0, 60.0), right=True)


@dataclass(frozen=True, slots=True)
class BinnedMean:
    """The mean error of each bin of |yaw|, and their mean.

    Attributes:
        bins: mean error by bin; None where the bin is empty.
        counts: faces by bin.
        mean_of_bins: the headline; None where a bin is empty.
        mean: of all faces.
        interval: 95 % bootstrap interval of the headline, or of the plain mean where there is no headline.
    """

    bins: Mapping[str, float | None]
    counts: Mapping[str, int]
    mean_of_bins: float | None
    mean: float
    interval: tuple[float, float]

    def record(self) -> dict[str, Any]:
        """Return the numbers as JSON has them."""
        return {
            "mean_of_bins": rounded(self.mean_of_bins),
            "bins": {name: rounded(value) for name, value in self.bins.items()},
            "counts": dict(self.counts),
            "mean": rounded(self.mean),
            "interval": [rounded(end) for end in self.interval],
        }


def binned_mean(errors: Float64[np.ndarray, " n"], yaw_deg: Float64[np.ndarray, " n"]) -> BinnedMean:
    """Return means of the errors by bin of |yaw|, with a bootstrap interval.

    Faces are drawn again within each bin: the headline weighs bins alike, so they keep their counts.

    Args:
        errors: of each face; at least one.
        yaw_deg: of each face.

    Source: Efron and Tibshirani, "An introduction to the bootstrap", 1993 (percentile interval, strata).
    """
    of_bin = [errors[yaw_bins(yaw_deg) == k] for k in range(len(BINS))]
    means = [float(e.mean()) if len(e) else None for e in of_bin]
    full = [m for m in means if m is not None]
    complete = len(full) == len(means)
    rng = np.random.default_rng(_SEED)
    if complete:
        resampled = np.mean([_resampled_means(e, rng) for e in of_bin], axis=0)
    else:
        resampled = _resampled_means(errors, rng)
    low, high = np.percentile(resampled, (2.5, 97.5))
    return BinnedMean(
        dict(zip(BINS, means, strict=True)),
        {name: len(e) for name, e in zip(BINS, of_bin, strict=True)},
        float(np.mean(full)) if complete else None,
        float(errors.mean()),
        (float(low), float(high)),
    )


def mean_interval(values: Float64[np.ndarray, " n"]) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the mean."""
    low, high = np.percentile(_resampled_means(values, np.random.default_rng(_SEED)), (2.5, 97.5))
    return float(low), float(high)


def rounded(value: float | None) -> float | None:
    """Return a number rounded to four digits, more than any set supports; None for one that is not known."""
    return None if value is None or math.isnan(value) else round(float(value), 4)


def _resampled_means(
    values: Float64[np.ndarray, " n"], rng: np.random.Generator
) -> Float64[np.ndarray, " m"]:
    # In blocks: all draws at once would be 340 MB for the largest set.
    block = max(1, 4_000_000 // len(values))
    means = [
        values[rng.integers(0, len(values), (min(block, _RESAMPLES - start), len(values)))].mean(axis=1)
        for start in range(0, _RESAMPLES, block)
    ]
    return np.concatenate(means)
