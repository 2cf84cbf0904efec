import numpy as np
import pytest

from tddfa.evaluation.bootstrap import binned_mean, mean_interval, yaw_bins


def test_bins_hold_their_upper_edge_and_the_last_all_beyond():
    yaw = np.array([0, -30, 30.001, 60, -60.001, 90, 130])
    assert yaw_bins(yaw).tolist() == [0, 0, 1, 1, 2, 2, 2]


def test_the_headline_weighs_bins_alike_and_the_mean_weighs_faces_alike():
    errors = np.array([1.0, 1, 1, 1, 4, 10])
    mean = binned_mean(errors, np.array([0.0, 5, -5, 10, 45, 80]))
    assert mean.mean_of_bins == pytest.approx(5)
    assert mean.mean == pytest.approx(3)
    assert dict(mean.counts) == {"0-30": 4, "30-60": 1, "60-90": 1}
    # Nothing varies within the bins.
    assert mean.interval == pytest.approx((5, 5))


def test_without_faces_in_a_bin_there_is_no_headline():
    mean = binned_mean(np.array([1.0, 3.0]), np.array([0.0, 40.0]))
    assert mean.mean_of_bins is None
    assert mean.bins["60-90"] is None
    assert mean.record()["mean"] == 2
    assert mean.interval[0] < 2 < mean.interval[1]


def test_the_interval_is_that_of_the_normal_distribution_for_many_faces():
    rng = np.random.default_rng(1)
    values = rng.gamma(4, 1, 3000)
    low, high = mean_interval(values)
    margin = 1.96 * values.std() / np.sqrt(len(values))
    assert (low, high) == pytest.approx((values.mean() - margin, values.mean() + margin), abs=margin / 10)
    assert mean_interval(values) == (low, high)


def test_the_interval_of_the_headline_comes_from_the_bins():
    rng = np.random.default_rng(2)
    sizes, spreads = (900, 300, 100), (1.0, 2.0, 4.0)
    errors = np.concatenate([rng.normal(5, s, n) for s, n in zip(spreads, sizes, strict=True)])
    yaw = np.repeat([0.0, 45.0, 80.0], sizes)
    low, high = binned_mean(errors, yaw).interval
    expected = 2 * 1.96 * np.sqrt(sum(s**2 / n for s, n in zip(spreads, sizes, strict=True))) / 3
    assert high - low == pytest.approx(expected, rel=0.12)
