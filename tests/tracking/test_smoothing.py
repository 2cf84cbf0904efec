"""Smoothers against movements whose truth is known: how calm, how late, and whether peaks survive."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from scene import MODEL, RATE, Person, face_of
from tddfa.errors import InputError
from tddfa.geometry.camera import camera_pose
from tddfa.geometry.rotation import rotation_about
from tddfa.tracking import TrackedFace
from tddfa.tracking.smoothing import SMOOTHERS, OneEuro, Smoother, Window, ZeroPhase, make_smoother
from tddfa.tracking.smoothing.state import FaceState, pivot_of
from tddfa.types import Face, FaceParams

Frames = list[list[TrackedFace]]

RESTING = Person(lambda t: (320, 180, 120, 1), lambda t: (10, 5, 3))
TURNING = Person(
    lambda t: (320 + 60 * math.sin(t / 18), 180, 120, 1),
    lambda t: (50 * math.sin(t / 15), 8 * math.sin(t / 11), 0),
)


def frames_of(person: Person, n: int, *, noise: float = 0.0, seed: int = 0) -> Frames:
    rng = np.random.default_rng(seed)
    out: Frames = []
    for t in range(n):
        params = person.params(t)
        assert params is not None
        camera = params.camera.copy()
        camera[:, :3] = rotation_about(rng.normal(0, 3 * noise, 3)) * rng.normal(1, noise) @ camera[:, :3]
        camera[:2, 3] += rng.normal(0, noise * 120, 2)
        expression = params.expression + rng.normal(0, 2 * noise, 52).astype(np.float32)
        face = face_of(FaceParams(camera, params.identity, expression))
        out.append([TrackedFace(0, face, 0.9, t, "tracked" if t else "new")])
    return out


def smoothed(smoother: Smoother, frames: Frames, rate: float = RATE) -> Frames:
    out: Frames = []
    for t, faces in enumerate(frames):
        out += smoother.push(faces, t / rate)
    return out + smoother.flush()


def landmarks(frames: Frames) -> np.ndarray:
    return np.stack([faces[0].face.landmarks[:, :2] for faces in frames])


def jitter(frames: Frames) -> float:
    """What changes from frame to frame in a face that rests, px."""
    return float(np.sqrt((np.diff(landmarks(frames[10:]), axis=0) ** 2).sum(-1).mean()))


def lag(frames: Frames, truth: Frames) -> float:
    """By how many frames the truth has to be delayed to look most like what came out."""
    got, true, n = landmarks(frames), landmarks(truth), len(truth)
    t = np.arange(10, n - 10)

    def difference(delay: float) -> float:
        low = np.floor(t - delay).astype(int)
        part = (t - delay - low)[:, None, None]
        return float(((got[t] - (1 - part) * true[low] - part * true[low + 1]) ** 2).mean())

    return min(np.arange(-2, 5, 0.05), key=difference)


@pytest.mark.parametrize(
    ("name", "calmer", "most_lag"), [("one-euro", 0.5, 1.0), ("window", 0.6, 0.0), ("zero-phase", 0.4, 0.0)]
)
def test_jitter_is_halved_without_lag(name, calmer, most_lag):
    noisy = frames_of(RESTING, 150, noise=0.004)
    assert jitter(smoothed(make_smoother(name), noisy)) <= calmer * jitter(noisy)
    turning = frames_of(TURNING, 150, noise=0.004)
    truth = frames_of(TURNING, 150)
    assert lag(smoothed(make_smoother(name), turning), truth) <= most_lag + 0.026  # half a step of the search


@pytest.mark.parametrize(("name", "part"), [("one-euro", 0.95), ("window", 0.8), ("zero-phase", 0.7)])
def test_a_smoothed_face_that_turns_is_nearer_to_the_truth(name, part):
    noisy, truth = frames_of(TURNING, 120, noise=0.006), frames_of(TURNING, 120)

    def error(frames: Frames) -> float:
        return float(np.linalg.norm(landmarks(frames) - landmarks(truth), axis=-1).mean())

    assert error(smoothed(make_smoother(name), noisy)) <= part * error(noisy)


@pytest.mark.parametrize("name", SMOOTHERS)
def test_a_face_that_rests_without_noise_is_left_as_it_is(name):
    frames = frames_of(RESTING, 12)
    out = smoothed(make_smoother(name), frames)
    assert np.allclose(landmarks(out), landmarks(frames), atol=1e-3)
    assert [f[0].state for f in out] == [f[0].state for f in frames]
    assert np.allclose(out[5][0].face.mesh.vertices, frames[5][0].face.mesh.vertices, atol=1e-3)


@pytest.mark.parametrize("name", SMOOTHERS)
def test_frames_come_out_once_each_in_order_and_as_late_as_stated(name):
    smoother = make_smoother(name)
    frames = frames_of(TURNING, 9)
    counts = [len(smoother.push(faces, t / RATE)) for t, faces in enumerate(frames)]
    out = sum(counts)
    if smoother.delay is None:
        assert out == 0
    else:
        assert counts == [0] * smoother.delay + [1] * (9 - smoother.delay)
    assert out + len(smoother.flush()) == 9


@pytest.mark.parametrize("name", SMOOTHERS)
def test_people_who_come_and_go_are_smoothed_each_alone(name):
    a, b = frames_of(TURNING, 30), frames_of(RESTING, 30)
    mixed: Frames = []
    for t in range(30):
        faces = [a[t][0]]
        if 5 <= t < 20:
            faces.append(replace(b[t][0], id=1, state="new" if t == 5 else "tracked"))
        elif t >= 20:
            faces.append(replace(b[19][0], id=1, state="lost", confidence=0.0))
        mixed.append(faces)
    out = smoothed(make_smoother(name), mixed)
    alone = smoothed(make_smoother(name), a)
    assert [[f.id for f in faces] for faces in out] == [[f.id for f in faces] for faces in mixed]
    assert np.allclose(landmarks(out), landmarks(alone))
    assert np.allclose(out[12][1].face.landmarks, b[12][0].face.landmarks, atol=1e-3)
    assert out[25][1].state == "lost"


def test_smoothing_starts_anew_after_a_gap():
    first, second = frames_of(RESTING, 10), frames_of(Person(lambda t: (100, 100, 60, 1)), 10)
    gap = [[replace(first[-1][0], state="lost")]] * 3
    for name in SMOOTHERS:
        out = smoothed(make_smoother(name), [*first, *gap, *second])
        assert np.allclose(landmarks(out)[13:], landmarks(second), atol=1e-3)
        assert np.allclose(landmarks(out)[:10], landmarks(first), atol=1e-3)


def closed(frames: Frames) -> np.ndarray:
    index = MODEL.expression_index("eyeBlinkLeft")
    return np.array([f[0].face.params.expression[index] for f in frames])


@pytest.mark.parametrize(("name", "least"), [("one-euro", 0.8), ("zero-phase", 0.85)])
def test_a_blink_of_a_sixth_of_a_second_stays_a_blink(name, least):
    blink = {10: 0.5, 11: 1.0, 12: 1.0, 13: 1.0, 14: 0.5}
    person = Person(RESTING.place, RESTING.pose, lambda t: blink.get(t, 0.0))
    out = closed(smoothed(make_smoother(name), frames_of(person, 30)))
    assert out.max() >= least
    assert abs(int(out.argmax()) - 12) <= 1
    assert abs(out[25:]).max() < 0.05


def test_a_change_of_the_frame_rate_does_not_change_how_calm_a_second_is():
    """At twice the rate each frame counts for half."""
    slow = smoothed(OneEuro(), frames_of(RESTING, 100, noise=0.004), rate=30)
    fast = smoothed(OneEuro(), frames_of(RESTING, 100, noise=0.004), rate=120)
    assert jitter(fast) < 0.6 * jitter(slow)


def test_half_turns_are_smoothed_the_short_way():
    person = Person(RESTING.place, lambda t: (0, 0, 178 + t * 0.5))  # roll passes ±180°
    out = smoothed(OneEuro(), frames_of(person, 20))
    rolls = np.array([f[0].face.pose.roll_deg for f in out]) % 360
    assert np.all(np.diff(rolls) > 0)
    assert np.all(np.abs(rolls - (178 + 0.5 * np.arange(20))) < 1.5)


# The window


@pytest.mark.parametrize(("n_pre", "n_next"), [(1, 1), (0, 2), (3, 0), (2, 1), (0, 0)])
def test_a_window_is_the_mean_of_the_vertices_with_the_ends_repeated(n_pre, n_next):
    frames = frames_of(TURNING, 8, noise=0.01)
    vertices = [f[0].face.mesh.vertices for f in frames]
    out = smoothed(Window(n_pre=n_pre, n_next=n_next), frames)
    assert len(out) == 8
    for t, faces in enumerate(out):
        around = [vertices[min(max(k, 0), 7)] for k in range(t - n_pre, t + n_next + 1)]
        assert np.allclose(faces[0].face.mesh.vertices, np.mean(around, axis=0), atol=1e-4)


def test_a_clip_shorter_than_the_window_is_smoothed():
    out = smoothed(Window(n_pre=2, n_next=4), frames_of(TURNING, 2))
    assert len(out) == 2


def test_a_negative_window_is_one_line():
    with pytest.raises(InputError, match="n_pre=-1"):
        Window(n_pre=-1)


def test_an_unknown_smoother_says_which_there_are():
    with pytest.raises(InputError, match="one-euro, none, window, zero-phase"):
        make_smoother("kalman")


# The parts


@pytest.mark.parametrize("seed", range(5))
def test_a_state_gives_back_its_parameters_also_of_a_camera_that_is_no_rotation(seed):
    rng = np.random.default_rng(seed)
    camera = np.column_stack(
        [rng.normal(size=(3, 3)) * 0.2 + rotation_about(rng.normal(size=3)), rng.normal(size=3)]
    )
    if np.linalg.det(camera[:, :3]) < 0:
        camera[2] *= -1
    params = FaceParams(camera, np.zeros(80, np.float32), np.zeros(52, np.float32), 0.7)
    pivot = rng.normal(size=3)
    again = FaceState.of(params, pivot).params(pivot, params)
    assert np.allclose(again.camera, camera, atol=1e-12)
    assert again.confidence == 0.7


@pytest.mark.parametrize("name", SMOOTHERS)
def test_the_identity_of_a_person_is_kept_and_the_mesh_smoothed_as_ever(name):
    frames = frames_of(TURNING, 12, noise=0.01)
    identity = np.linspace(-1, 1, 80, dtype=np.float32)
    persons = [
        [replace(t, face=replace(t.face, params=t.face.params.with_identity(identity))) for t in faces]
        for faces in frames
    ]
    plain, kept = (smoothed(make_smoother(name), each) for each in (frames, persons))
    assert all(np.allclose(faces[0].face.params.identity, identity, atol=1e-6) for faces in kept)
    np.testing.assert_allclose(landmarks(kept), landmarks(plain), atol=2e-3)


@pytest.mark.parametrize("name", SMOOTHERS)
def test_no_expression_goes_beyond_what_it_was_before(name):
    """Eyes that shut at once: beside that, a fit of smooth curves swings above 1 and below 0."""
    frames = frames_of(RESTING, 40)
    for t, faces in enumerate(frames):
        weights = np.zeros(52, np.float32)
        weights[[3, 7]] = (t >= 20, t % 9 == 4)
        face = faces[0].face
        faces[0] = replace(faces[0], face=face_of(replace(face.params, expression=weights)))
    out = smoothed(make_smoother(name), frames)
    found = np.stack([faces[0].face.params.expression for faces in out])
    assert found.min() >= 0
    assert found.max() <= 1
    assert found[5, 3] == pytest.approx(0, abs=0.01)
    assert found[35, 3] == pytest.approx(1, abs=0.01)


def test_the_pivot_shows_where_the_middle_of_the_landmarks_shows():
    face = frames_of(TURNING, 1)[0][0].face
    shown = face.params.camera[:, :3] @ pivot_of(face) + face.params.camera[:, 3]
    assert np.allclose(shown, face.landmarks.mean(axis=0), atol=1e-3)


def test_smoothing_a_face_of_another_kind_of_model_is_one_line():
    class Other:
        expression_names: Sequence[str] = ()
        mesh: Callable[[FaceParams], None] = lambda self, params: None

    face = frames_of(RESTING, 1)[0][0].face
    other = object.__new__(Face)
    for name in ("detection", "params", "landmarks", "pose"):
        object.__setattr__(other, name, getattr(face, name))
    object.__setattr__(other, "model", Other())
    smoother = ZeroPhase()
    smoother.push([TrackedFace(0, other, 1.0, 0, "new")], 0.0)
    with pytest.raises(InputError, match="MorphableModel"):
        smoother.flush()


def test_the_pose_of_a_smoothed_face_is_that_of_its_camera():
    out = smoothed(OneEuro(), frames_of(TURNING, 20, noise=0.004))
    face = out[-1][0].face
    assert face.pose == camera_pose(face.params.camera)
