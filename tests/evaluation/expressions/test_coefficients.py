import numpy as np
import pytest

from tddfa.evaluation.expressions.coefficients import line, responses, slope


def test_a_line_has_the_slope_and_correlation_it_was_made_with() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 1, 4000)
    noise = rng.normal(0, 0.1, 4000)
    found = line(0.3 + 0.5 * truth + noise, truth)
    expected = 0.5 * truth.std() / np.hypot(0.5 * truth.std(), 0.1)
    assert found.slope == pytest.approx(0.5, abs=0.02)
    assert found.correlation == pytest.approx(expected, abs=0.01)
    assert found.active == int((truth > 0.1).sum())


def test_a_coefficient_that_hardly_ever_shows_is_not_judged() -> None:
    truth = np.zeros(100)
    truth[:4] = 1
    assert line(truth, truth).correlation is None


def test_a_dead_coefficient_follows_nothing() -> None:
    truth = np.linspace(0, 1, 50)
    assert line(np.full(50, 0.2), truth).correlation == 0
    assert line(np.full(50, 0.2), truth).slope == pytest.approx(0)


def test_the_slope_of_angles_may_have_any_sign() -> None:
    angles = np.array([-30.0, -10, 10, 30])
    assert slope(0.8 * angles - 2, angles) == pytest.approx(0.8)


def test_responses_are_the_changes_from_the_face_without_the_expression() -> None:
    base = np.array([[0.1, 0.2], [0.3, 0.0], [0.0, 0.0]])
    moved = base + np.array([[1.0, 0.1], [0.6, 0.3], [0.0, 0.5]])
    matrix = responses(moved, base, ["a", "b"], ["a", "a", "b"])
    np.testing.assert_allclose(matrix, [[0.8, 0.2], [0.0, 0.5]])
