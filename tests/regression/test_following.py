"""Faces are followed by what close-ups of their last place show."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tddfa.errors import PackError
from tddfa.regression.closeups import CloseUps
from tddfa.regression.expressions import corrected_camera, upright_rotation
from tddfa.regression.frame_to_frame import FollowingNetwork
from tddfa.types import FaceParams


def grid(width: int, height: int, half_width: float, half_height: float) -> np.ndarray:
    x, y = np.meshgrid(
        np.linspace(-half_width, half_width, width), np.linspace(half_height, -half_height, height)
    )
    return np.stack([x, y, -0.01 * x * x], -1).astype(np.float32)


VIEWS = CloseUps(grid(32, 14, 40, 15), grid(20, 18, 30, 25), grid(12, 18, 60, 80))
IMAGE = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)


def face(yaw=0.0, roll=0.0, confidence=0.97) -> FaceParams:
    turn = cv2.Rodrigues(np.array([0, 0, roll]))[0] @ cv2.Rodrigues(np.array([0, yaw, 0]))[0]
    camera = np.concatenate([turn @ np.diag([1.0, -1, -1]), [[128.0], [128.0], [0]]], 1)
    # What is known of identity and expression must not matter.
    return FaceParams(camera, np.full(4, 9, np.float32), np.full(3, 9, np.float32), confidence)


class Says:
    """A network that says the same of each face, and keeps what it was asked."""

    def __init__(self, **outputs):
        pose = np.zeros(6, np.float32)
        self.outputs = {"pose": pose, "identity": np.ones(4), "expression": np.full(3, 0.5)} | outputs
        self.asked = []

    def __call__(self, x, numbers=None):
        self.asked.append((x, numbers))
        return {k: np.stack([v] * len(x)).astype(np.float32) for k, v in self.outputs.items()}


def test_a_face_has_the_coefficients_of_the_network_and_the_corrected_camera():
    pose = np.array([0.01, -0.02, 0.005, 0.02, 1.5, -1.0], np.float32)
    network = Says(pose=pose)
    faces = [face(), face(yaw=0.4, roll=2.0, confidence=None)]
    found = FollowingNetwork(network, VIEWS)([IMAGE, IMAGE], faces)
    for before, after in zip(faces, found, strict=True):
        np.testing.assert_allclose(after.camera, corrected_camera(before.camera, pose))
        assert (after.identity == 1).all()
        assert (after.expression == 0.5).all()
        assert after.confidence == before.confidence
    [(views, rotations)] = network.asked
    np.testing.assert_array_equal(views[0], VIEWS(IMAGE, faces[0].camera))
    np.testing.assert_allclose(rotations, [upright_rotation(each.camera) for each in faces], rtol=1e-6)
    np.testing.assert_allclose(rotations[0], [1, 0, 0, 0, -1, 0], atol=1e-6)


def test_a_face_whose_views_were_off_is_read_again_where_it_is():
    far, near = np.array([0, 0, 0, 0, 5, 0], np.float32), np.array([0, 0, 0, 0, 1, 0], np.float32)
    network = Says(pose=far)
    [twice] = FollowingNetwork(network, VIEWS)([IMAGE], [face()])
    assert len(network.asked) == 2
    once = corrected_camera(face().camera, far)
    np.testing.assert_array_equal(network.asked[1][0][0], VIEWS(IMAGE, once))
    np.testing.assert_allclose(twice.camera, corrected_camera(once, far))
    network = Says(pose=near)
    FollowingNetwork(network, VIEWS)([IMAGE], [face()])
    assert len(network.asked) == 1


def test_faces_that_look_away_are_not_followed_and_cost_nothing():
    network = Says()
    following = FollowingNetwork(network, VIEWS)
    assert following([IMAGE, IMAGE], [face(yaw=0.7), face(yaw=-1.5)]) == [None, None]
    assert network.asked == []
    assert following([], []) == []
    away, seen = following([IMAGE, IMAGE], [face(yaw=0.7), face(yaw=0.5)])
    assert away is None
    assert seen is not None
    assert len(network.asked[0][0]) == 1


@pytest.mark.parametrize(("index", "value"), [(0, 0.2), (1, -0.2), (3, 0.3), (4, 12.0), (5, -12.0)])
def test_a_correction_that_is_too_large_is_rejected(index, value):
    pose = np.zeros(6, np.float32)
    pose[index] = value
    assert FollowingNetwork(Says(pose=pose), VIEWS)([IMAGE], [face()]) == [None]


def test_a_face_that_turned_away_is_not_followed_any_further():
    pose = np.array([0, 0.11, 0, 0, 0, 0], np.float32)
    [one] = FollowingNetwork(Says(pose=pose), VIEWS)([IMAGE], [face(yaw=0.55)])
    [other] = FollowingNetwork(Says(pose=-pose), VIEWS)([IMAGE], [face(yaw=0.55)])
    assert (one is None) != (other is None)


def test_a_broken_network_is_named():
    lacking = Says()
    del lacking.outputs["identity"]
    with pytest.raises(PackError, match="follows faces gives pose, expression"):
        FollowingNetwork(lacking, VIEWS)([IMAGE], [face()])
    with pytest.raises(PackError, match="NaN"):
        FollowingNetwork(Says(pose=np.full(6, np.nan)), VIEWS)([IMAGE], [face()])


def test_a_face_that_is_followed_keeps_the_identity_of_the_person():
    before = face().with_identity(np.full(4, 2, np.float32))
    [after] = FollowingNetwork(Says(), VIEWS)([IMAGE], [before])
    assert after.identity is before.identity
    np.testing.assert_allclose(after.shape, 1)
