"""The eyes of the open face model: spheres that turn by the stated angles, with irises that are round."""

import hashlib

import numpy as np
import pytest

from tddfa.errors import InputError
from tddfa.geometry.camera import scaled_camera
from tddfa.morphable import MorphableModel, open_face_model
from tddfa.morphable.eyes import IRIS_RADIUS_MM, eye_colors
from tddfa.morphable.open_model import read_arrays
from tddfa.render import rasterize

SIDES = ("Left", "Right")
TURNS = {"Out": 30.0, "In": 30.0, "Up": 25.0, "Down": 25.0}
SPHERE_MM = 12.2
TRAINED_SHA256 = "342d33c4b9de9d06a60c5779fd9e00f9e2f56f9082cd48d3806aa1f53bfbd179"
N_TRAINED = 3265
"""Base vertices that networks have been trained with; they come first."""


def irises(model: MorphableModel, expression: dict[str, float]) -> np.ndarray:
    """Both irises, left first, model frame, mm."""
    points = model.landmarks(model.params(expression=expression), "irises") * [1, -1, -1]
    return np.stack([points[5:], points[:5]])


def test_what_networks_were_trained_with_has_not_moved() -> None:
    data = read_arrays()
    names = data["expression_names"].tolist()
    kept = data["expression_basis"][:N_TRAINED].astype(np.float16)
    free = [k for k, name in enumerate(names) if name.startswith("eyeLook")]
    kept[3185:, :, free] = 0  # eyeballs may turn
    digest = hashlib.sha256()
    for array in (
        data["mean"][:N_TRAINED],
        data["identity_basis"][:N_TRAINED].astype(np.float16),
        kept,
        data["expression_names"],
    ):
        digest.update((array + np.float16(0)).tobytes() if array.dtype == np.float16 else array.tobytes())
    for name in ("ibug68", "mediapipe478"):
        points = open_face_model().landmark_sets[name]
        digest.update(points.vertices.astype(np.uint16).tobytes() + points.weights.tobytes())
    assert digest.hexdigest() == TRAINED_SHA256


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("direction", "degrees"), TURNS.items())
def test_a_look_at_weight_1_turns_the_eyeball_by_the_stated_angle(
    side: str, direction: str, degrees: float
) -> None:
    model, eye = open_face_model(), SIDES.index(side)
    center = read_arrays()["eyes.centers"][eye]
    rest, turned = (irises(model, e)[eye] - center for e in ({}, {f"eyeLook{direction}{side}": 1.0}))
    U, _, Vt = np.linalg.svd(turned.T @ rest)
    R = U @ Vt
    angle = np.rad2deg(np.arccos((np.trace(R) - 1) / 2))
    assert angle == pytest.approx(degrees, abs=0.2)
    np.testing.assert_allclose(turned, rest @ R.T, atol=0.02)  # rigid, mm
    sideways, up = turned[0, 0] * (1 if side == "Left" else -1), turned[0, 1]
    assert {"Out": sideways, "In": -sideways, "Up": up, "Down": -up}[direction] > 4


@pytest.mark.parametrize("direction", TURNS)
def test_a_look_moves_only_its_own_eye(direction: str) -> None:
    rest, turned = (irises(open_face_model(), e) for e in ({}, {f"eyeLook{direction}Left": 1.0}))
    np.testing.assert_array_equal(rest[1], turned[1])


def test_gaze_is_the_direction_of_the_pupils_at_every_weight() -> None:
    model, random = open_face_model(), np.random.default_rng(0)
    looks = [name for name in model.expression_names if name.startswith("eyeLook")]
    for _ in range(20):
        expression = dict(zip(looks, random.random(8), strict=True))
        gaze = model.gaze(model.params(expression=expression))
        pupils = irises(model, expression)[:, 0] - read_arrays()["eyes.centers"]
        np.testing.assert_allclose(
            gaze.directions, pupils / np.linalg.norm(pupils, axis=1, keepdims=True), atol=2e-3
        )


def test_gaze_angles_grow_evenly_with_the_weights() -> None:
    model = open_face_model()
    for weight in np.linspace(0, 1, 11):
        both = {"eyeLookOutLeft": weight, "eyeLookInRight": weight}  # to the subject's left
        gaze = model.gaze(model.params(expression=both))
        np.testing.assert_allclose(gaze.yaw_deg, -30 * weight, atol=0.25)
        np.testing.assert_allclose(gaze.pitch_deg, 0, atol=1e-9)
        up = model.gaze(model.params(expression={"eyeLookUpLeft": weight, "eyeLookUpRight": weight}))
        np.testing.assert_allclose(up.pitch_deg, 25 * weight, atol=0.2)


def test_both_eyes_that_look_outwards_look_ahead_together() -> None:
    model = open_face_model()
    gaze = model.gaze(model.params(expression={"eyeLookOutLeft": 1, "eyeLookOutRight": 1}))
    np.testing.assert_allclose(gaze.direction, [0, 0, 1], atol=1e-9)
    np.testing.assert_allclose(gaze.yaw_deg, [-30, 30])


def test_a_model_without_eyeballs_says_so() -> None:
    from dataclasses import replace

    model = replace(open_face_model(level=0), eyes=None)
    with pytest.raises(InputError, match="no eyeballs"):
        model.gaze(model.params())


@pytest.mark.parametrize(("weight", "tolerance"), [(0.0, 0.2), (0.5, 0.6), (1.0, 0.2)])
@pytest.mark.parametrize("look", [f"eyeLook{direction}Left" for direction in TURNS])
def test_an_eyeball_stays_a_sphere(look: str, weight: float, tolerance: float) -> None:
    # What can be seen between the lids; at half a turn the chord from start to end cuts through the sphere.
    model = open_face_model(level=2, crop="head")
    center = read_arrays()["eyes.centers"][0]
    turned = model.shape(model.params(expression={look: weight})) - center
    seen = model.regions["eyeballs"] & (turned[:, 0] > -20)
    seen &= turned[:, 2] > SPHERE_MM * np.cos(np.deg2rad(50))
    radius = np.linalg.norm(turned[seen], axis=1)
    assert len(radius) > 100
    assert np.abs(radius - SPHERE_MM).max() < tolerance


def test_an_eyeball_keeps_its_size_and_its_distance_to_the_lids_on_all_people() -> None:
    model = open_face_model(level=0, crop="head")
    random = np.random.default_rng(1)
    rest = irises(model, {})
    lids = np.flatnonzero(model.regions["left_eyelids"])
    for _ in range(50):
        params = model.params(identity=random.normal(size=80))
        points = model.landmarks(params, "irises")[5:] * [1, -1, -1]
        np.testing.assert_allclose(points - points[0], rest[0] - rest[0, 0], atol=0.02)
        center = points[0] - [0, 0, SPHERE_MM]
        shape = model.shape(params)[lids]
        margin = np.linalg.norm(shape - center, axis=1)[np.abs(shape[:, 2] - points[0, 2]) < 4]
        assert margin.min() > 0


@pytest.mark.parametrize("level", [0, 1, 2])
def test_irises_are_round_and_have_their_real_size_at_every_level_of_detail(level: int) -> None:
    model = open_face_model(level=level, crop="head")
    camera = scaled_camera(10.0, np.diag([1.0, -1, -1]), np.array([-100.0, 200.0]))
    assert model.eyes is not None
    # The eyeballs alone, seen from the front.
    from dataclasses import replace

    on_ball = model.regions["eyeballs"][model.topology.triangles].all(axis=1)
    mesh = model.reconstruct(model.params(camera))
    ball = replace(mesh, topology=replace(mesh.topology, triangles=mesh.topology.triangles[on_ball]))
    fragments = rasterize([ball], 400, 400)
    offsets = fragments.interpolate([model.eyes.offsets])
    iris = np.zeros((400, 400), bool)
    iris[fragments.mask] = np.linalg.norm(offsets, axis=1) < IRIS_RADIUS_MM
    y, x = np.nonzero(iris)
    assert np.pi * IRIS_RADIUS_MM**2 * 100 == pytest.approx(iris.sum(), rel=0.01)
    pupil = model.landmarks(model.params(camera), "irises")[5, :2]
    assert np.hypot(x - pupil[0], y - pupil[1]).max() < 10 * IRIS_RADIUS_MM + 1


def test_eye_colors_go_from_pupil_over_iris_to_sclera() -> None:
    offsets = np.array([[0, 0], [3.5, 0], [0, -9.0]])
    colors = eye_colors(offsets, iris=(0.2, 0.4, 0.6), sclera=(0.9, 0.9, 0.9))
    np.testing.assert_allclose(colors, [[0.03] * 3, [0.2, 0.4, 0.6], [0.9] * 3], atol=1e-6)


def test_iris_landmarks_come_in_mediapipes_order() -> None:
    # Right eye first; each centre, then the edge towards +x, +y, -x, -y of the picture seen upright.
    model = open_face_model()
    landmarks = model.landmark_sets["irises"]
    assert landmarks.indices is not None
    assert landmarks.indices.tolist() == list(range(468, 478))
    points = model.landmarks(model.params(), "irises")[:, :2]
    around = [[1, 0], [0, -1], [-1, 0], [0, 1]]
    for first, sign in ((0, -1), (5, 1)):
        assert points[first, 0] * sign > 25
        np.testing.assert_allclose(
            points[first + 1 : first + 5] - points[first], np.multiply(around, IRIS_RADIUS_MM), atol=0.05
        )


def test_irises_lie_where_mediapipe_sees_those_of_people_who_look_ahead() -> None:
    model = open_face_model()
    numbers = model.landmark_sets["mediapipe478"].indices
    assert numbers is not None
    theirs = model.landmarks(model.params(), "mediapipe478")[np.isin(numbers, [468, 473]), :2]
    ours = model.landmarks(model.params(), "irises")[[0, 5], :2]
    np.testing.assert_allclose(ours, theirs, atol=0.05)
