"""Medians and percentiles without `numpy.ma`.

NumPy's own load that module at their first call, and so does a bare `np.unique`: 19 ms of a cold start, as
long as a network takes to load.
"""

from __future__ import annotations

import numpy as np

from tddfa.shapes import Float, Float32, UInt8


def row_medians(rows: Float32[np.ndarray, "k n"]) -> Float32[np.ndarray, " k"]:
    """Return the median of each row, as `np.median(rows, axis=1)`; rows have one value or more."""
    half = rows.shape[1] // 2
    middle = (half,) if rows.shape[1] % 2 else (half - 1, half)
    return np.partition(rows, middle, axis=1)[:, middle].mean(axis=1)


def row_percentiles(rows: UInt8[np.ndarray, "k n"], rank: float) -> Float[np.ndarray, " k"]:
    """Return a percentile of each row, as `np.percentile(rows, rank, axis=1)`; rows have one value or more.

    Args:
        rows: values.
        rank: 0 to 100.
    """
    position = (rows.shape[1] - 1) * (rank / 100)
    below = int(position)
    above = min(below + 1, rows.shape[1] - 1)
    part = np.partition(rows, (below, above), axis=1)
    low, high, share = part[:, below].astype(float), part[:, above].astype(float), position - below
    return high - (high - low) * (1 - share) if share >= 0.5 else low + (high - low) * share
