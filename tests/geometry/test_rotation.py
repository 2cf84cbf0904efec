import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from tddfa.errors import InputError
from tddfa.geometry.camera import camera_pose, camera_rotation, camera_scale, project, scaled_camera
from tddfa.geometry.rotation import geodesic_deg, head_pose, head_rotation, nearest_rotation
from tddfa.types import HeadPose

angle = st.floats(-179.9, 179.9)
yaw = st.floats(-89.9, 89.9)


@given(yaw, angle, angle)
def test_angles_survive_the_way_through_a_rotation(y, p, r):
    back = head_pose(head_rotation(HeadPose(y, p, r)))
    np.testing.assert_allclose([back.yaw_deg, back.pitch_deg, back.roll_deg], [y, p, r], atol=1e-4)


@given(yaw, angle, angle)
def test_the_page_of_conventions_says_which_rotation_the_angles_are(y, p, r):
    page = (Path(__file__).parents[2] / "docs" / "conventions.md").read_text(encoding="utf-8")
    formula = re.search(r"it is `R = (\S+) (\S+) (\S+)`, from a face that looks at the camera", page)
    angles = {"yaw": y, "pitch": p, "roll": r}
    R = np.eye(3)
    for factor in formula.groups():
        axis, sign, name = re.fullmatch(r"R([xyz])\((−?)(\w+)\)", factor).groups()
        R = R @ Rotation.from_euler(axis, -angles[name] if sign else angles[name], degrees=True).as_matrix()
    looks_at_the_camera = head_rotation(HeadPose(0, 0, 0))
    np.testing.assert_allclose(head_rotation(HeadPose(y, p, r)), R @ looks_at_the_camera, atol=1e-9)


@given(st.sampled_from([-90.0, 90.0]), angle, angle)
def test_at_a_right_angle_of_yaw_the_rotation_survives_and_roll_is_zero(y, p, r):
    R = head_rotation(HeadPose(y, p, r))
    pose = head_pose(R)
    assert abs(pose.yaw_deg) == pytest.approx(90, abs=1e-5)
    assert pose.roll_deg == 0
    assert geodesic_deg(head_rotation(pose), R) < 1e-4


@given(st.sampled_from([-1, 1]), st.floats(1e-9, 1e-3), angle, angle)
def test_near_a_right_angle_of_yaw_the_rotation_survives(side, off, p, r):
    R = head_rotation(HeadPose(side * (90 - off), p, r))
    assert geodesic_deg(head_rotation(head_pose(R)), R) < 1e-3


@pytest.mark.parametrize(
    ("pose", "point", "moved_to"),
    [
        # A nose tip 100 mm before the head: where in the picture (x right, y down, z away) does it go?
        (HeadPose(90, 0, 0), (0, 0, 100), (-100, 0, 0)),  # +yaw: to the left of the picture
        (HeadPose(0, 90, 0), (0, 0, 100), (0, -100, 0)),  # +pitch: up
        # The top of the head: +roll turns it clockwise, to the right of the picture.
        (HeadPose(0, 0, 90), (0, 100, 0), (100, 0, 0)),
        (HeadPose(0, 0, 0), (10, 20, 30), (10, -20, -30)),
    ],
)
def test_the_signs_are_those_of_the_conventions(pose, point, moved_to):
    np.testing.assert_allclose(head_rotation(pose) @ np.array(point), moved_to, atol=1e-9)


@given(st.integers(0, 10_000), st.floats(0.01, 100))
def test_the_nearest_rotation_of_a_scaled_rotation_is_the_rotation(seed, scale):
    R = Rotation.random(random_state=seed).as_matrix()
    np.testing.assert_allclose(nearest_rotation(scale * R), R, atol=1e-9)


def test_no_rotation_is_nearer_than_the_nearest():
    rng = np.random.default_rng(0)
    M = rng.normal(size=(3, 3))
    R = nearest_rotation(M)
    assert np.linalg.det(R) == pytest.approx(1)
    others = Rotation.random(2000, random_state=1).as_matrix()
    scale = np.trace(R.T @ M) / 3
    assert np.linalg.norm(M - scale * R) <= np.linalg.norm(M - scale * others, axis=(1, 2)).min()


@pytest.mark.parametrize("M", [np.full((3, 3), np.nan), np.zeros((3, 3)), np.outer([1, 2, 3], [1, 0, 0])])
def test_a_matrix_without_a_rotation_is_refused_in_a_line(M):
    with pytest.raises(InputError, match="a rotation cannot be taken"):
        nearest_rotation(M.astype(np.float64))


@given(st.integers(0, 1000), st.floats(0.1, 179.9))
def test_the_geodesic_angle_is_the_angle_of_the_relative_rotation(seed, degrees):
    A = Rotation.random(random_state=seed)
    axis = Rotation.random(random_state=seed + 1).apply([1, 0, 0])
    B = A * Rotation.from_rotvec(np.radians(degrees) * axis)
    assert geodesic_deg(A.as_matrix(), B.as_matrix()) == pytest.approx(degrees, abs=1e-6)


def test_a_scaled_orthographic_camera_gives_back_what_it_was_made_of():
    pose = HeadPose(35, -12, 50)
    camera = scaled_camera(1.7, head_rotation(pose), np.array([200.0, 100.0]))
    assert camera_scale(camera) == pytest.approx(1.7)
    np.testing.assert_allclose(camera_rotation(camera), head_rotation(pose), atol=1e-12)
    assert camera_pose(camera).roll_deg == pytest.approx(50)
    np.testing.assert_allclose(project(camera, np.zeros((1, 3))), [[200, 100, 0]])
