"""Faces are followed from frame to frame by the pack's network for it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from counting import CountingEngine
from tddfa import FaceAligner, FaceTracker, read_image
from tddfa.errors import InputError

PHOTOS = Path(__file__).parents[2] / "examples/photos"


@pytest.fixture(scope="module")
def aligner():
    return FaceAligner("open")


@pytest.fixture(scope="module")
def photo():
    return read_image(PHOTOS / "astronaut.jpg")


@pytest.fixture(scope="module")
def face(aligner, photo):
    return aligner.align(photo)[0]


def moved(image, shift=(0.0, 0.0), zoom=1.0, roll_deg=0.0):
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), roll_deg, zoom)
    matrix[:, 2] += shift
    return cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)


def apart(a, b):
    """Mean distance of landmarks, percent of the face."""
    size = math.sqrt(np.prod(np.ptp(b.landmarks[:, :2], axis=0)))
    return 100 * np.linalg.norm(a.landmarks[:, :2] - b.landmarks[:, :2], axis=1).mean() / size


@pytest.mark.parametrize(
    "motion",
    [{}, {"shift": (3.0, -2.0)}, {"zoom": 1.03}, {"roll_deg": 2.5}, {"shift": (4.0, 3.0), "roll_deg": -2.0}],
)
def test_a_face_is_where_the_aligner_finds_it(aligner, photo, face, motion):
    image = moved(photo, **motion)
    [followed] = aligner.follow(image, [face])
    [found, *_] = aligner.align(image)
    assert apart(followed, found) < 3
    assert followed.confidence == face.confidence
    assert followed.detection == face.detection
    assert np.abs(followed.params.expression - found.params.expression).mean() < 0.05
    assert abs(followed.pose.yaw_deg - found.pose.yaw_deg) < 4


def test_a_face_that_rests_stays(aligner, photo, face):
    followed = face
    for _ in range(20):
        [followed] = aligner.follow(photo, [followed])
    assert apart(followed, face) < 3


def test_the_verifying_network_says_how_sure_it_is(aligner, photo, face):
    doubted = replace(face, params=replace(face.params, confidence=0.6))
    unverified, verified = aligner.follow(photo, [doubted, doubted], verify=[False, True])
    assert unverified.confidence == 0.6
    assert verified.confidence > 0.99
    np.testing.assert_allclose(verified.landmarks, unverified.landmarks, atol=1e-3)
    rng = np.random.default_rng(0)
    nothing = np.clip(128 + rng.normal(0, 10, photo.shape), 0, 255).astype(np.uint8)
    [seen] = aligner.follow(nothing, [face], verify=[True])
    assert seen is None or seen.confidence < 0.5


def test_several_faces_are_followed_at_once(aligner):
    image = read_image(PHOTOS / "group.jpg")
    faces = list(aligner.align(image))
    together = aligner.follow(image, faces)
    assert sum(each is not None for each in together) >= len(faces) // 2
    for before, now in zip(faces, together, strict=True):
        [alone] = aligner.follow(image, [before])
        assert (alone is None) == (now is None)
        if now is not None:
            np.testing.assert_allclose(now.landmarks, alone.landmarks, atol=1e-2)
    assert aligner.follow(image, []) == []


def test_what_cannot_be_followed_is_refused_in_one_line(aligner, photo, face):
    with pytest.raises(InputError, match=r"faces\[1\]: faces of the frame before are needed"):
        aligner.follow(photo, [face, face.box])
    with pytest.raises(InputError, match="1 faces and 2 verify"):
        aligner.follow(photo, [face], verify=[True, False])
    with pytest.raises(InputError, match="verify=True; it takes a list"):
        aligner.follow(photo, [face], verify=True)
    nowhere = replace(face, params=replace(face.params, camera=np.full((3, 4), np.nan)))
    with pytest.raises(InputError, match="finite"):
        aligner.follow(photo, [nowhere])
    of_another = replace(
        face, params=replace(face.params, identity=np.zeros(40, np.float32), corrective=None)
    )
    with pytest.raises(InputError, match="coefficients"):
        aligner.follow(photo, [of_another])
    small = FaceAligner("open:small")
    assert not small.can_follow
    with pytest.raises(InputError, match="no network that follows"):
        small.follow(photo, [face])


@pytest.mark.parametrize("scale", [1e-12, 0, 1e4, 1e30, 1e200])
def test_cameras_that_show_no_face_give_none(aligner, photo, face, scale):
    camera = scale * face.params.camera
    assert aligner.follow(photo, [replace(face, params=replace(face.params, camera=camera))]) == [None]


@pytest.mark.parametrize("shift", [(600, 0), (-600, 0), (0, 1e6), (1e15, -1e15)])
def test_a_face_outside_the_image_is_not_followed(aligner, photo, face, shift):
    camera = face.params.camera.copy()
    camera[:2, 3] += shift
    outside = replace(face, params=replace(face.params, camera=camera))
    assert aligner.follow(photo, [outside]) == [None]


def frames(photo, n):
    """A camera in a hand."""
    return [
        moved(photo, (4 * math.sin(k / 3), 3 * math.sin(k / 4)), 1 + 0.02 * math.sin(k / 5)) for k in range(n)
    ]


def test_a_tracker_follows_and_verifies_now_and_then(photo):
    engine = CountingEngine()
    tracker = FaceTracker(FaceAligner("open", engine=engine))
    images = frames(photo, 19)
    tracker.update(images[0])
    engine.taken()
    for image in images[1:]:
        [person] = tracker.update(image)
        assert person.id == 0
        assert person.state == "tracked"
    taken = engine.taken()
    assert len(taken["following.onnx"]) >= 18
    assert len(taken["verifier.onnx"]) == 3
    assert len(taken["expressions.onnx"]) == 3  # the person is read where the face is verified


def test_a_tracker_that_follows_tells_what_one_that_crops_anew_tells(aligner, photo):
    followed, cropped = FaceTracker(aligner), FaceTracker(aligner, follow="mesh")
    for image in frames(photo, 24):
        [a], [b] = followed.update(image), cropped.update(image)
        assert apart(a.face, b.face) < 2.5


def test_the_best_quality_crops_every_face_anew(photo):
    engine = CountingEngine()
    aligner = FaceAligner("open", engine=engine)
    best = FaceTracker(aligner, quality="best")
    images = frames(photo, 9)
    best.update(images[0])
    engine.taken()
    for image in images[1:]:
        [person] = best.update(image)
        [there] = aligner.align(image, landmarks=[person.face.landmarks])
        assert apart(person.face, there) < 0.8
    taken = engine.taken()
    assert len(taken["expressions.onnx"]) == 16
    assert not taken.get("following.onnx")


def test_a_face_that_is_covered_is_lost_within_three_frames(aligner, photo, face):
    tracker = FaceTracker(aligner)
    for _ in range(9):
        tracker.update(photo)
    hidden = photo.copy()
    x0, y0, x1, y1 = (round(v) for v in face.box.scaled(1.6))
    hidden[max(y0, 0) : y1, max(x0, 0) : x1] = (90, 110, 100)
    seen = [any(person.visible for person in tracker.update(hidden)) for _ in range(4)]
    assert not any(seen[2:])
    back = [[p.id for p in tracker.update(photo) if p.visible] for _ in range(8)]
    assert back[-1] == [0]


def test_the_person_is_read_anew_where_a_face_is_verified_and_the_mesh_stays(aligner, photo, face):
    image = moved(photo, shift=(3.0, -2.0))
    [plain] = aligner.follow(image, [face], verify=[True])
    [read] = aligner.follow(image, [face], verify=[True], identify=[True])
    assert plain.params.identity is face.params.identity
    assert 1e-4 < np.abs(read.params.identity - face.params.identity).mean() < 0.1
    np.testing.assert_allclose(read.params.shape, plain.params.shape, atol=1e-5)
    [unverified] = aligner.follow(image, [face], identify=[True])
    assert unverified.params.identity is face.params.identity
    with pytest.raises(InputError, match="1 faces and 2 identify were given"):
        aligner.follow(image, [face], identify=[True, False])


def test_a_person_is_read_until_the_mean_of_a_video_is_settled(aligner, photo):
    tracker, identities = FaceTracker(aligner), []
    for k in range(90):
        [tracked] = tracker.update(moved(photo, shift=(2.0 * math.sin(k / 5), 1.5 * math.cos(k / 7))))
        identities.append(tracked.face.params.identity)
    changed = [k for k in range(1, 90) if np.abs(identities[k] - identities[k - 1]).max() > 1e-7]
    assert 8 <= len(changed) <= 12
    assert max(changed) < 72
    # What was read later moves the mean less and less.
    assert np.abs(identities[-1] - identities[40]).mean() < np.abs(identities[40] - identities[0]).mean()
