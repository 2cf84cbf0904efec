"""Medians and percentiles beside NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

from tddfa.geometry.percentiles import row_medians, row_percentiles


@pytest.mark.parametrize("n", [1, 2, 3, 8, 501, 1000])
def test_medians_and_percentiles_are_those_of_numpy(n: int) -> None:
    rng = np.random.default_rng(n)
    rows = rng.normal(size=(3, n)).astype(np.float32)
    np.testing.assert_array_equal(row_medians(rows), np.median(rows, axis=1))
    levels = rng.integers(0, 256, (3, n), dtype=np.uint8)
    for rank in (0, 1, 33.3, 50, 80, 99, 100):
        np.testing.assert_array_equal(row_percentiles(levels, rank), np.percentile(levels, rank, axis=1))
