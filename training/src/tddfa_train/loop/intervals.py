"""How far a mean of few numbers can be trusted."""

from collections.abc import Sequence

import numpy as np


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean and half width of its 95 % interval by Student's t; NaN for the width of a single value."""
    from scipy.stats import t

    n = len(values)
    if n < 2:
        return float(np.mean(values)), float("nan")
    return float(np.mean(values)), float(t.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n))


def difference_interval(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Difference of two means (first − second) and half width of its 95 % interval.

    Source: Welch, "The generalization of Student's problem when several different population variances are
        involved", 1947: arms need not scatter alike.
    """
    from scipy.stats import t

    difference = float(np.mean(first) - np.mean(second))
    if min(len(first), len(second)) < 2:
        return difference, float("nan")
    parts = np.array([np.var(values, ddof=1) / len(values) for values in (first, second)])
    total = parts.sum()
    if total == 0:
        return difference, 0.0
    freedom = total**2 / sum(p**2 / (len(v) - 1) for p, v in zip(parts, (first, second), strict=True))
    return difference, float(t.ppf(0.975, freedom) * np.sqrt(total))
