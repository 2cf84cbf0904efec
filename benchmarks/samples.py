"""Times → what is printed of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def summary(rounds: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Median and spread of times that were taken in several rounds.

    Args:
        rounds: the times of each round; at least one in all.

    Returns:
        The median of all times; the 10th and 90th percentile; the lowest and highest median of a round, which
        tell a noisy machine from a noisy stage; and how many times there are.
    """
    values = np.concatenate([np.asarray(times, np.float64) for times in rounds if len(times)])
    medians = [float(np.median(times)) for times in rounds if len(times)]
    low, high = np.percentile(values, (10, 90))
    return {
        "median": _rounded(float(np.median(values))),
        "p10": _rounded(float(low)),
        "p90": _rounded(float(high)),
        "round_medians": [_rounded(m) for m in (min(medians), max(medians))],
        "n": len(values),
    }


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
