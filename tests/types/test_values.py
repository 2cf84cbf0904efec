"""Values that are honest: what can be derived is derived, equal values are equal, reprs take one line."""

import math
import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from scene import face_of
from solids import face_of as solid_face
from solids import sphere
from tddfa.errors import InputError
from tddfa.geometry.boxes import intersection_over_union
from tddfa.geometry.camera import scaled_camera
from tddfa.geometry.rotation import head_pose
from tddfa.morphable import fit_landmarks, open_face_model
from tddfa.outputs import Scene
from tddfa.packs import find_pack
from tddfa.render import face_textures
from tddfa.types import BoundingBox, Detection, Face, FaceParams, HeadPose, Mesh, Topology

MODEL = open_face_model()
IMAGE = np.zeros((240, 240, 3), np.uint8)
angles = st.floats(-89, 89)
poses = st.builds(HeadPose, angles, st.floats(-179, 179), st.floats(-179, 179))
corners = st.floats(-500, 500)
boxes = st.builds(
    lambda x, y, w, h: BoundingBox(x, y, x + w, y + h), corners, corners, st.floats(1, 300), st.floats(1, 300)
)


TURNED = HeadPose(10, 5, 3)


def face(pose=TURNED, confidence=0.9876, **expression) -> Face:
    camera = scaled_camera(1.3, pose.matrix, np.array([120.0, 130.0]))
    params = replace(MODEL.params(camera, None, expression), confidence=confidence)
    return Face(Detection(BoundingBox(10.4, 20, 110, 140), 0.8), params, MODEL)


class TestFace:
    def test_everything_follows_the_parameters(self):
        first = face()
        before = first.landmarks, first.mesh, first.pose
        camera = scaled_camera(2.0, HeadPose(-30, 0, 0).matrix, np.array([50.0, 60.0]))
        moved = replace(first, params=replace(first.params, camera=camera))
        np.testing.assert_array_equal(moved.landmarks, MODEL.landmarks(moved.params))
        np.testing.assert_array_equal(moved.vertices, MODEL.reconstruct(moved.params).vertices)
        assert moved.pose.yaw_deg == pytest.approx(-30)
        assert (
            first.landmarks,
            first.mesh,
            first.pose,
        ) == before

    def test_the_short_names_are_the_parts(self):
        f = face()
        assert (f.box, f.score, f.confidence) == (f.detection.box, 0.8, 0.9876)
        assert f.vertices is f.mesh.vertices
        assert f.triangles is f.mesh.topology.triangles
        assert f.points() is f.landmarks
        np.testing.assert_array_equal(f.points("mediapipe478"), MODEL.landmarks(f.params, "mediapipe478"))
        with pytest.raises(InputError, match="no landmark set named 'nose'"):
            f.points("nose")

    def test_equal_parts_make_equal_faces(self):
        assert face() == face()
        assert hash(face()) == hash(face())
        assert face() != face(jawOpen=0.5)
        assert face() != face(confidence=None)
        assert face() != replace(face(), detection=Detection(BoundingBox(10, 20, 110, 141), 0.8))
        assert face() != 3
        assert len({face(), face(), face(jawOpen=0.5)}) == 2

    def test_the_former_constructor_works_with_a_warning(self):
        f = face()
        for make in (
            lambda: Face(f.detection, f.params, f.landmarks, f.model),
            lambda: Face(f.detection, f.params, landmarks=f.landmarks, model=f.model),
            lambda: replace(f, landmarks=f.landmarks),
        ):
            with pytest.warns(DeprecationWarning, match=r"use Face\(detection, params, model\)"):
                assert make() == f

    def test_a_pickle_has_the_parts_and_nothing_that_is_derived(self):
        f = solid_face(sphere())
        size = len(pickle.dumps(replace(f)))
        assert f.mesh is not None
        assert len(f.landmarks) == 68
        assert len(pickle.dumps(f)) == size
        again = pickle.loads(pickle.dumps(f))
        assert (again.detection, again.params) == (f.detection, f.params)
        np.testing.assert_array_equal(again.vertices, f.vertices)


class TestGaze:
    def test_eyes_that_look_straight_ahead_look_where_the_head_does(self):
        gaze = face(HeadPose(25, -10, 40)).gaze
        assert (gaze.yaw_deg, gaze.pitch_deg) == pytest.approx((0, 0), abs=1e-9)
        assert (gaze.image_yaw_deg, gaze.image_pitch_deg) == pytest.approx((25, -10))

    def test_signs_are_those_of_the_head_and_weight_one_is_the_models_angle(self):
        left = face(HeadPose(0, 0, 0), eyeLookInLeft=1, eyeLookOutRight=1).gaze
        up = face(HeadPose(0, 0, 0), eyeLookUpLeft=1, eyeLookUpRight=1).gaze
        down = face(HeadPose(0, 0, 0), eyeLookDownLeft=1, eyeLookDownRight=1).gaze
        assert (left.yaw_deg, left.pitch_deg) == pytest.approx((30, 0), abs=1e-6)
        assert left.image_yaw_deg == pytest.approx(30)
        assert left.direction[0] < 0  # to the left of the image
        assert (up.left_pitch_deg, up.right_pitch_deg) == pytest.approx((25, 25))
        assert up.direction[1] < 0  # upwards in the image
        assert down.image_pitch_deg == pytest.approx(-25)

    def test_one_eye_may_turn_alone(self):
        gaze = face(HeadPose(0, 0, 0), eyeLookOutLeft=1).gaze
        assert (gaze.left_yaw_deg, gaze.right_yaw_deg) == pytest.approx((-30, 0), abs=1e-6)
        assert gaze.yaw_deg == pytest.approx(-15)

    def test_head_and_eyes_that_turn_against_each_other_cancel(self):
        gaze = face(HeadPose(-30, 0, 0), eyeLookInLeft=1, eyeLookOutRight=1).gaze
        assert (gaze.image_yaw_deg, gaze.image_pitch_deg) == pytest.approx((0, 0), abs=1e-6)

    def test_a_model_without_eyes_has_no_gaze(self):
        assert solid_face(sphere()).gaze is None


@pytest.mark.parametrize(
    "value",
    [
        face(),
        face().params,
        face().pose,
        face().gaze,
        face().mesh,
        face().mesh.topology,
        face().detection,
        solid_face(sphere()),
        face_of(face().params),
        face_textures(IMAGE, [face()], size=32)[0],
        fit_landmarks(MODEL, face().landmarks),
        Scene(IMAGE, [face()]),
        find_pack("open"),
    ],
)
def test_a_repr_is_one_line_of_a_readable_length(value):
    assert "\n" not in repr(value)
    assert len(repr(value)) < 250


def test_a_repr_names_what_matters():
    assert (
        repr(face())
        == "Face(box=(10, 20, 110, 140), score=0.80, confidence=0.988, yaw=10°, pitch=5°, roll=3°)"
    )
    assert repr(face().params) == (
        "FaceParams(origin=(120.0, 130.0) px, scale=1.3 px/mm, 80 identity, 52 expression, confidence=0.988)"
    )


def test_parameters_with_another_identity_have_the_same_shape_but_are_not_equal():
    params = FaceParams(np.eye(3, 4), np.array([1, 2], np.float32), np.zeros(1, np.float32), 0.5)
    person = params.with_identity(np.array([0.5, 0], np.float32))
    np.testing.assert_array_equal(person.shape, params.identity)
    np.testing.assert_array_equal(person.corrective, [0.5, 2])
    assert params.shape is params.identity
    assert person != params
    assert person == pickle.loads(pickle.dumps(person))
    assert person != replace(person, corrective=np.zeros(2, np.float32))
    assert person.with_identity(params.identity).shape.tolist() == [1, 2]


def test_parameters_compare_by_their_numbers():
    a, b = face().params, face().params
    assert a == b
    assert hash(a) == hash(b)
    for other in (
        replace(a, confidence=0.5),
        replace(a, camera=a.camera + 1e-9),
        replace(a, identity=a.identity + 1),
        replace(a, expression=a.expression[:-1]),
    ):
        assert a != other
    assert a != "params"
    zero = FaceParams(np.zeros((3, 4)), np.zeros(2, np.float32), np.zeros(1, np.float32))
    minus = FaceParams(-np.zeros((3, 4)), np.zeros(2, np.float32), np.zeros(1, np.float32))
    assert zero == minus
    assert hash(zero) == hash(minus)


def test_what_the_meshes_of_a_model_share_cannot_be_changed_in_place():
    given = np.array([[0, 1, 2]], np.int32)
    topology = Topology(given, np.zeros((3, 2), np.float32), np.zeros((3, 3), np.float32))
    for array in (face().triangles, topology.triangles, topology.uv, topology.colors):
        with pytest.raises(ValueError, match="read-only"):
            array += 1
    given += 1  # the caller's own array stays as it is
    numbered_from_1 = face().triangles + 1
    assert numbered_from_1.flags.writeable
    assert pickle.loads(pickle.dumps(topology)) == topology


def test_meshes_compare_by_vertices_and_topology():
    mesh = sphere()
    again = pickle.loads(pickle.dumps(mesh))
    assert again == mesh
    assert hash(again) == hash(mesh)
    assert Mesh(mesh.vertices + 1, mesh.topology) != mesh
    other = Topology(mesh.triangles[::-1].copy(), None, mesh.topology.colors)
    assert Mesh(mesh.vertices, other) != mesh
    assert mesh != 1


class TestPose:
    @given(poses)
    def test_matrix_and_angles_are_inverse(self, pose):
        back = head_pose(pose.matrix)
        np.testing.assert_allclose(
            [back.yaw_deg, back.pitch_deg, back.roll_deg],
            [pose.yaw_deg, pose.pitch_deg, pose.roll_deg],
            atol=1e-6,
        )

    @given(poses)
    def test_the_quaternion_is_that_of_the_matrix(self, pose):
        q = np.array(pose.quaternion)
        np.testing.assert_allclose(Rotation.from_quat(q).as_matrix(), pose.matrix, atol=1e-12)
        assert np.linalg.norm(q) == pytest.approx(1)
        assert q[3] >= 0


class TestBox:
    def test_area_and_centre(self):
        box = BoundingBox(1, 2, 4, 8)
        assert (box.width, box.height, box.area, box.center) == (3, 6, 18, (2.5, 5))

    @given(boxes, boxes)
    def test_overlap_is_that_of_the_arrays_and_symmetric(self, a, b):
        expected = intersection_over_union(np.array([[*a]]), np.array([[*b]]))[0, 0]
        assert a.iou(b) == pytest.approx(expected, abs=1e-12)
        assert a.iou(b) == b.iou(a)
        shared = a.intersection(b)
        assert shared == b.intersection(a)
        assert (shared is None) == (a.iou(b) == 0)
        if shared is not None:
            assert shared.intersection(a) == shared.intersection(b) == shared

    @given(boxes, st.floats(0.1, 10), corners, corners)
    def test_scaling_keeps_the_centre_and_shifting_the_size(self, box, factor, dx, dy):
        scaled, shifted = box.scaled(factor), box.shifted(dx, dy)
        assert scaled.center == pytest.approx(box.center)
        assert (scaled.width, scaled.height) == pytest.approx((factor * box.width, factor * box.height))
        assert (shifted.width, shifted.height) == pytest.approx((box.width, box.height))
        assert shifted.shifted(-dx, -dy).center == pytest.approx(box.center)

    def test_a_box_covers_itself(self):
        box = BoundingBox(1, 2, 3, 4)
        assert box.iou(box) == 1
        assert box.iou(box.shifted(10, 0)) == 0
        assert box.intersection(box.shifted(2, 0)) is None  # they touch

    @pytest.mark.parametrize("factor", [0, -1, math.nan])
    def test_a_box_without_area_is_refused(self, factor):
        with pytest.raises(InputError, match=r"box|factor=.*above 0"):
            BoundingBox(1, 2, 3, 4).scaled(factor)


# The classes without the shape checks of the tests, which would speak up first.
UNCHECKED = """
import numpy as np
from tddfa.errors import InputError
from tddfa.morphable import (
    Fitter, calibrate_landmarks, correspond, fit_landmarks, fit_vertices, open_face_model
)
from tddfa.types import BoundingBox, Detection, Face, FaceParams

def refused(call, *words):
    try:
        call()
    except InputError as error:
        text = str(error)
        assert "\\n" not in text and len(text) < 300 and all(word in text for word in words), text
        return
    raise AssertionError(f"not refused: {words}")

box = BoundingBox(1, 2, 3, 4)
odd = (None, "2", [1], {}, object(), np.zeros(3), 1j)
for value in (*odd, float("nan"), float("inf"), 10**400):
    for k in range(4):
        corners = [1, 2, 3, 4]
        corners[k] = value
        refused(lambda: BoundingBox(*corners), "not a finite number")
    refused(lambda: box.shifted(value, 0), "dx", "dy")
    refused(lambda: Detection(box, value), "score")
for value in (-0.01, 1.01, 87):
    refused(lambda: Detection(box, value), "a score is a number from 0 to 1")
for value in (*odd, float("nan"), float("inf"), 0, -1):
    refused(lambda: box.scaled(value), "factor", "above 0")
for value in (*odd, (1, 2, 3, 4), Detection(box)):
    for method in (box.iou, box.intersection, box.shared_area):
        refused(lambda: method(value), "other is a", "not a BoundingBox")
    refused(lambda: Detection(value), "box is a", "not a BoundingBox")
for value in (None, "2", [[1, 2]], np.zeros(3), np.zeros((0, 2)), np.zeros((3, 1))):
    refused(lambda: BoundingBox.around(value), "points is")

model = open_face_model()
params = model.params()
face = Face(Detection(box), params, model)
for value in (face, None, "params", [params], params.camera):
    for method in (model.shape, model.reconstruct, model.pose, model.gaze, model.landmarks, model.neutral,
                   model.frontal, lambda p: model.mirrored(p, 100)):
        refused(lambda: method(value), "params is a", "not a FaceParams", "face.params")
for value in (None, "wide", -1, float("nan"), [100]):
    refused(lambda: model.mirrored(params, value), "image_width")
for camera in (None, "camera", params.camera.tolist(), np.eye(3), params.camera.astype(object),
               params.camera.astype(np.float16), params.camera.astype(np.longdouble)):
    refused(lambda: model.landmarks(FaceParams(camera, params.identity, params.expression)), "(3, 4)")
for name in (["ibug68"], None, 68, "nose"):
    refused(lambda: face.points(name), "no landmark set", "ibug68")
    refused(lambda: face.cropped(name), "has no crop", "head")
    refused(lambda: model.expression_index(name), "no expression named")
for value in (params, face, model, "identity", {}):
    refused(lambda: model.blendshapes(value), "identity", "finite numbers")
    refused(lambda: model.params(identity=value), "identity", "finite numbers")
for value in (None, [0.0], params.identity[:-1], 3, params, face, model):
    refused(lambda: params.with_identity(value), "identity has the shape")
for value in (*odd, params.identity.tolist(), [[0.5] * 9] * 9, object, model):
    refused(lambda: open_face_model(level=value), "level=", "from 0 to 2")
    refused(lambda: open_face_model(crop=value), "no crop", "face, head, mannequin")
    refused(lambda: open_face_model(mouth=value), "mouth=", "True or False")
assert open_face_model(level=np.int64(1), mouth=np.True_) is model

points = face.landmarks[:, :2]
for value in (*odd, face, params, points):
    refused(lambda: fit_landmarks(value, points), "model is a", "not a MorphableModel")
    refused(lambda: fit_vertices(value, face.vertices, None), "model is a")
    refused(lambda: fit_vertices(model, face.vertices, value), "correspondence is a")
    refused(lambda: correspond(value, model), "model is a")
    refused(lambda: correspond(model, value), "other is a")
    refused(lambda: calibrate_landmarks(value, [points] * 20), "model is a")
    refused(lambda: Fitter(value, model.landmark_sets["ibug68"]), "model is a")
    refused(lambda: Fitter(model, value), "points is a")
for value in (*odd, -1, float("nan"), float("inf")):
    for part in ("identity_stiffness", "expression_stiffness"):
        refused(lambda: fit_landmarks(model, points, **{part: value}), part, "0 or more")
for value in (*odd, 0, -1, 10**9, 2.5):
    refused(lambda: correspond(model, model, n_points=value), "n_points=", "from 4 to")
for value in (*odd, -1, 2.5):
    refused(lambda: calibrate_landmarks(model, [points] * 20, n_rounds=value), "n_rounds=")
for value in (None, 3, 2.5, object()):
    refused(lambda: correspond(model, model, value), "faces is a", "list of parameters")
    refused(lambda: calibrate_landmarks(model, value), "observed is a", "list")
"""


def test_boxes_parameters_and_models_refuse_what_they_cannot_use():
    done = subprocess.run([sys.executable, "-c", UNCHECKED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
