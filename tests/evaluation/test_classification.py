import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tddfa.evaluation.classification import area_under_curve, at_threshold, best_threshold


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=2, max_size=60))
def test_the_area_is_the_part_of_all_pairs_that_are_in_order(pairs):
    values = np.array([float(v) for v, _ in pairs])
    positive = np.array([p for _, p in pairs])
    assume(positive.any() and not positive.all())
    order = [1.0 if p < n else 0.5 if p == n else 0.0 for p in values[positive] for n in values[~positive]]
    assert area_under_curve(values, positive) == pytest.approx(np.mean(order))


def test_precision_and_recall_of_a_threshold():
    values = np.array([0.1, 0.2, 0.3, 0.4])
    found = at_threshold(values, np.array([True, False, True, False]), 0.25)
    assert (found.precision, found.recall, found.f1) == (0.5, 0.5, 0.5)
    nothing = at_threshold(values, np.array([True, False, True, False]), 0.0)
    assert (nothing.precision, nothing.recall, nothing.f1) == (0.0, 0.0, 0.0)


def test_groups_that_do_not_overlap_are_told_apart_completely():
    values = np.concatenate([np.linspace(0, 0.1, 50), np.linspace(0.2, 0.4, 200)])
    closed = np.arange(250) < 50
    best = best_threshold(values, closed)
    assert best.f1 > 0.98
    assert area_under_curve(values, closed) == 1
