"""One identity for all frames of a person; each mesh stays what it was."""

import numpy as np

from scene import face_of
from tddfa.geometry.camera import scaled_camera
from tddfa.geometry.rotation import head_rotation
from tddfa.morphable import open_face_model
from tddfa.tracking.person import PersonShape
from tddfa.types import FaceParams, HeadPose


def face(identity, shape, yaw=0.0):
    camera = scaled_camera(1.5, head_rotation(HeadPose(yaw, 0, 0)), np.array([160.0, 120.0]))
    n = open_face_model().n_expression
    params = FaceParams(camera, np.full(80, shape, np.float32), np.zeros(n, np.float32))
    return face_of(params.with_identity(np.full(80, identity, np.float32)))


def test_the_identity_is_the_mean_over_the_frames_and_the_mesh_that_of_the_frame():
    person, faces = PersonShape(), [face(0.2, 0.5), face(0.4, 0.1), face(0.0, 0.3)]
    seen = [person.see(each) for each in faces]
    np.testing.assert_allclose([f.params.identity[0] for f in seen], [0.2, 0.3, 0.2], atol=1e-6)
    for before, after in zip(faces, seen, strict=True):
        np.testing.assert_allclose(after.params.shape, before.params.shape, atol=1e-6)
        np.testing.assert_allclose(after.landmarks, before.landmarks, atol=1e-3)


def test_a_face_that_is_turned_away_counts_little():
    person = PersonShape()
    person.see(face(0.2, 0.5))
    assert person.see(face(1.0, 0.5, yaw=85)).params.identity[0] < 0.22


def test_a_face_that_was_followed_is_left_as_it_is():
    person = PersonShape()
    first = person.see(face(0.2, 0.5))
    again = face_of(face(0.2, 0.1).params.with_identity(first.params.identity))
    assert person.see(again) is again
    # It says nothing new: the next frame that is looked at counts as the second.
    assert np.isclose(person.see(face(0.4, 0.5)).params.identity[0], 0.3)


def test_faces_without_a_corrective_are_left_as_they_are():
    camera = scaled_camera(1.5, head_rotation(HeadPose(0, 0, 0)), np.array([160.0, 120.0]))
    n = open_face_model().n_expression
    plain = face_of(FaceParams(camera, np.ones(80, np.float32), np.zeros(n, np.float32)))
    assert PersonShape().see(plain) is plain
