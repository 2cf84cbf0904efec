"""Strokes: how much of each pixel they cover."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tddfa import native
from tddfa.imaging.draw import disc_coverage, line_coverage

places = arrays(np.float32, (4, 2), elements=st.floats(-12, 40, width=32))


def test_discs_cover_their_area_wherever_they_lie_between_pixels() -> None:
    rng = np.random.default_rng(0)
    for radius in (1.0, 1.7, 4.3):
        for center in rng.uniform(10, 20, (20, 1, 2)):
            covered = disc_coverage(center, radius, 31, 32)
            assert covered.sum() / 255 == pytest.approx(np.pi * radius**2, rel=0.12)
            rows, columns = np.nonzero(covered)
            assert np.hypot(columns - center[0, 0], rows - center[0, 1]).max() <= radius + 0.5


@pytest.mark.skipif(native.kernel is None, reason="needs the native kernel, which is not built")
@given(places, st.floats(0.3, 9))
def test_numpy_draws_the_same_discs(centers: np.ndarray, radius: float) -> None:
    centers[0, 0] = np.nan
    one = disc_coverage(centers, radius, 25, 31)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "kernel", None)
        np.testing.assert_array_equal(disc_coverage(centers, radius, 25, 31), one)


def test_no_line_covers_nothing() -> None:
    assert not line_coverage([], 1, 5, 6).any()
