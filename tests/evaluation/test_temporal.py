import numpy as np
import pytest

from tddfa.evaluation.temporal import acceleration, lag_frames, overshoot_percent, unsteadiness

RNG = np.random.default_rng(5)
FACE = RNG.uniform(-50, 50, (68, 2))
FACE[:4] = [[-50, -50], [50, 50], [-50, 50], [50, -50]]  # a box of 100 px


def moving(path):
    """A face that follows a path (n, 2)."""
    return FACE + np.asarray(path, float)[:, None]


def sway(times):
    return np.stack([20 * np.sin(times / 5), 7 * np.cos(times / 3)], axis=1)


TRUTH = moving(sway(np.arange(60.0)))


def test_landmarks_that_move_as_the_face_does_are_steady_wherever_they_are():
    np.testing.assert_allclose(unsteadiness(TRUTH + RNG.normal(0, 9, (68, 2)), TRUTH), 0, atol=1e-10)


def test_a_jump_of_a_pixel_is_one_percent_of_a_face_of_100_px():
    jumped = TRUTH.copy()
    jumped[30:] += (0.6, 0.8)
    steps = unsteadiness(jumped, TRUTH)
    assert steps[29] == pytest.approx(1)
    np.testing.assert_allclose(np.delete(steps, 29), 0, atol=1e-10)


def test_a_lost_face_leaves_a_gap_and_does_not_spoil_the_rest():
    lost = TRUTH.copy()
    lost[10] = np.nan
    steps = unsteadiness(lost, TRUTH)
    assert np.flatnonzero(np.isnan(steps)).tolist() == [9, 10]


@pytest.mark.parametrize("lag", [0.0, 0.5, 1.0, 3.25])
def test_a_delay_is_found_whatever_the_offset(lag):
    late = moving(sway(np.arange(60.0) - lag)) + np.array([3, -8])
    assert lag_frames(late, TRUTH) == pytest.approx(lag, abs=0.11)


def test_a_filter_with_memory_lags_by_what_theory_says():
    # An exponential filter with factor a delays slow movements by (1 − a)/a frames.
    a, slow = 0.5, moving(np.stack([20 * np.sin(np.arange(200) / 20), np.zeros(200)], axis=1))
    smooth = slow.copy()
    for k in range(1, 200):
        smooth[k] = a * slow[k] + (1 - a) * smooth[k - 1]
    assert lag_frames(smooth[20:], slow[20:]) == pytest.approx(1.0, abs=0.15)


def test_overshoot_is_the_part_of_the_way_beyond_its_end():
    way = np.concatenate([np.zeros(8), np.linspace(0, 10, 6), np.full(22, 10.0)])
    swing = way.copy()
    swing[14:17] += (1.5, 0.8, 0.2)
    path, beyond = (np.stack([w, w / 2], axis=1) for w in (way, swing))
    assert overshoot_percent(moving(beyond), moving(path)) == pytest.approx(15)
    assert overshoot_percent(moving(path), moving(path)) == pytest.approx(0, abs=1e-9)


def test_steady_movement_has_no_acceleration_and_jitter_has():
    straight = moving(np.outer(np.arange(20.0), (2, 1)))
    np.testing.assert_allclose(acceleration(straight), 0, atol=1e-10)
    # ±1 px in x on every second frame bends by 4 px each time.
    straight[::2, :, 0] += 1
    straight[1::2, :, 0] -= 1
    np.testing.assert_allclose(acceleration(straight), 4, atol=1e-9)
