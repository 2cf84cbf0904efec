import numpy as np
import pytest

from tddfa.evaluation.expressions.movement import held_still, movement_followed


def _face(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(0, 40, (68, 2))


def _movement(rng: np.random.Generator) -> np.ndarray:
    d = np.zeros((68, 2))
    d[48:] = rng.normal(0, 4, (20, 2))
    return d


def _turned(points: np.ndarray, angle: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    R = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return scale * points @ R.T + np.array(shift)


def test_a_prediction_that_makes_half_of_the_movement_follows_half() -> None:
    rng = np.random.default_rng(0)
    base, d = _face(rng), _movement(rng)
    mine = _face(rng)  # another face: only its movement counts
    followed, otherwise = movement_followed(mine, mine + d / 2, base, base + d)
    assert followed == pytest.approx(0.5)
    assert otherwise == pytest.approx(0.5)


def test_the_truth_follows_all_and_a_still_face_nothing() -> None:
    rng = np.random.default_rng(1)
    base, d = _face(rng), _movement(rng)
    assert movement_followed(base, base + d, base, base + d) == pytest.approx((1, 0))
    assert movement_followed(base, base, base, base + d) == pytest.approx((0, 1))


def test_nothing_is_said_of_a_movement_that_rounding_made() -> None:
    rng = np.random.default_rng(1)
    base, d = _face(rng), _movement(rng)
    assert np.isnan(movement_followed(base, base + d, base, base + 1e-6 * d)).all()
    assert np.isnan(movement_followed(base, base + d, 0 * base, 0 * base)).all()


def test_a_movement_at_right_angles_is_not_followed_and_counts_as_another() -> None:
    rng = np.random.default_rng(2)
    base, d = _face(rng), _movement(rng)
    aside = d @ np.array([[0.0, 1.0], [-1.0, 0.0]])
    followed, otherwise = movement_followed(base, base + aside, base, base + d)
    assert followed == pytest.approx(0, abs=1e-9)
    assert otherwise == pytest.approx(np.sqrt(2))


def test_movements_of_the_head_between_the_images_do_not_count() -> None:
    rng = np.random.default_rng(3)
    base, d = _face(rng), _movement(rng)
    truth = _turned(base + d, 0.2, 1.1, (9, -4))
    mine = _turned(base + 0.7 * d, -0.3, 0.8, (-20, 5))
    followed, otherwise = movement_followed(base, mine, base, truth)
    assert followed == pytest.approx(0.7)
    assert otherwise == pytest.approx(0.3)


def test_holding_still_inverts_a_similarity_in_three_dimensions() -> None:
    rng = np.random.default_rng(4)
    points = rng.normal(size=(20, 3))
    Q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    moved = 1.7 * points @ (Q * np.linalg.det(Q)).T + rng.normal(size=3)
    np.testing.assert_allclose(held_still(moved, points, np.ones(20, bool)), points, atol=1e-9)
