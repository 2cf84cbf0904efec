import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tddfa.evaluation.metrics import (
    aflw21,
    aspect_ratio,
    box_sizes,
    eye_aspect_ratios,
    landmark_errors,
    pose_errors_deg,
)
from tddfa.types import HeadPose

RNG = np.random.default_rng(0)
POINTS = RNG.uniform(0, 100, (5, 68, 2))


def slow_nme(predicted, truth):
    """One face at a time, as the protocol is written down."""
    total = 0.0
    for p, q in zip(predicted, truth, strict=True):
        total += ((p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2) ** 0.5
    width, height = truth[:, 0].max() - truth[:, 0].min(), truth[:, 1].max() - truth[:, 1].min()
    return 100 * total / len(truth) / (width * height) ** 0.5


def test_the_error_is_the_mean_distance_over_the_geometric_mean_of_the_sides():
    predicted = POINTS + RNG.normal(0, 3, POINTS.shape)
    errors = landmark_errors(predicted, POINTS, box_sizes(POINTS))
    np.testing.assert_allclose(errors, [slow_nme(p, q) for p, q in zip(predicted, POINTS, strict=True)])


@given(scale=st.floats(0.01, 100), x=st.floats(-1e3, 1e3), y=st.floats(-1e3, 1e3))
def test_the_error_does_not_depend_on_where_and_how_large_the_face_is(scale, x, y):
    predicted = POINTS[:, ::-1]
    moved, truth = (p * scale + (x, y) for p in (predicted, POINTS))
    before = landmark_errors(predicted, POINTS, box_sizes(POINTS))
    np.testing.assert_allclose(landmark_errors(moved, truth, box_sizes(truth)), before, rtol=1e-6)


def test_points_that_are_not_marked_do_not_count_and_a_face_without_any_has_no_error():
    visible = np.ones((5, 68), bool)
    visible[0, 10:] = False
    visible[1] = False
    predicted = POINTS + np.where(visible[..., None], 1.0, 1e6)
    errors = landmark_errors(predicted, POINTS, np.ones(5), visible)
    np.testing.assert_allclose(errors[[0, 2, 3, 4]], 100 * np.sqrt(2))
    assert np.isnan(errors[1])


def test_the_21_points_are_those_of_the_published_list():
    published = [[18], [20], [22], [23], [25], [27], [37], [37, 38, 39, 40, 41, 42], [40], [43]]
    published += [[43, 44, 45, 46, 47, 48], [46], [3], [32], [31], [36], [15], [49]]
    published += [[61, 62, 63, 64, 65, 66, 67, 68], [55], [9]]
    expected = np.stack([POINTS[:, np.array(p) - 1].mean(axis=1) for p in published], axis=1)
    np.testing.assert_allclose(aflw21(POINTS), expected)


@pytest.mark.parametrize("opening", [0.0, 0.1, 0.3])
def test_an_eye_that_is_as_high_as_part_of_its_width_has_that_ratio(opening):
    h = opening / 2
    eye = np.array([[0, 0], [0.3, h], [0.7, h], [1, 0], [0.7, -h], [0.3, -h]])
    assert aspect_ratio(7 * eye[None] + 3) == pytest.approx(opening)
    face = np.zeros((1, 68, 2))
    face[0, 36:42], face[0, 42:48] = eye, 2 * eye
    np.testing.assert_allclose(eye_aspect_ratios(face), [[opening, opening]], atol=1e-12)


def test_pose_errors_go_the_short_way_round_and_geodesic_is_the_angle_between_the_rotations():
    truth = [HeadPose(0, 179, 0), HeadPose(10, 0, 0), HeadPose(30, 20, 10)]
    predicted = [HeadPose(0, -179, 0), HeadPose(-15, 0, 0), HeadPose(30, 20, 10)]
    angles, geodesic = pose_errors_deg(predicted, truth)
    np.testing.assert_allclose(angles, [[0, 2, 0], [25, 0, 0], [0, 0, 0]], atol=1e-9)
    np.testing.assert_allclose(geodesic, [2, 25, 0], atol=1e-5)
