import numpy as np
import pytest

from tddfa.evaluation.expressions.gaze import gaze_directions, gaze_errors_deg


@pytest.mark.parametrize(
    ("name", "axis", "sign"),
    [
        ("eyeLookOutLeft", 0, 1),  # the subject's left
        ("eyeLookInLeft", 0, -1),
        ("eyeLookUpLeft", 1, 1),
        ("eyeLookDownLeft", 1, -1),
    ],
)
def test_an_eye_looks_where_its_coefficient_says_and_the_other_straight_ahead(
    name: str, axis: int, sign: int
) -> None:
    left, right = gaze_directions([name], np.ones((1, 1), np.float32))[0]
    assert sign * left[axis] > np.sin(np.radians(8))
    assert abs(left[1 - axis]) < 0.05
    np.testing.assert_allclose(right, [0, 0, 1], atol=1e-5)


def test_both_sides_mirror_each_other() -> None:
    names = ["eyeLookOutLeft", "eyeLookUpLeft"]
    left = gaze_directions(names, np.array([[0.6, 0.4]], np.float32))[0, 0]
    right = gaze_directions([n.replace("Left", "Right") for n in names], np.array([[0.6, 0.4]]))[0, 1]
    np.testing.assert_allclose(left, right * [-1, 1, 1], atol=1e-3)


def test_the_error_is_the_angle_between_the_directions() -> None:
    ahead = np.array([[[0, 0, 1], [0, 0, 1]]], np.float32)
    turned = np.array([[[0, 0, 1], [np.sin(0.2), 0, np.cos(0.2)]]], np.float32)
    assert gaze_errors_deg(turned, ahead) == pytest.approx([np.degrees(0.1)], abs=1e-4)
