"""The tracker with the published networks, on real pictures."""

from __future__ import annotations

import numpy as np
import pytest

from conftest import REPOSITORY
from tddfa import FaceAligner
from tddfa.tracking import FaceTracker, Window
from tddfa.types import BoundingBox
from tddfa.video import VideoReader
from tddfa.video.reader import Moment


@pytest.fixture(scope="module")
def aligner(published_pack) -> FaceAligner:
    return FaceAligner(published_pack)


@pytest.fixture(scope="module")
def images(shared) -> list[np.ndarray]:
    clip = shared / "data" / "videos" / "turn_expressions_512.mp4"
    return [frame.image for frame in VideoReader(clip, end=Moment(30))]


@pytest.mark.parametrize("follow", ["landmarks", "mesh"])
def test_a_window_of_three_is_what_the_published_program_does(aligner, images, follow):
    """Face 0 detected and refined once, then cropped from its last points; the mean over three frames."""

    def points(face):
        return face.landmarks if follow == "landmarks" else face.mesh.vertices

    raw = [points(aligner.align(images[0])[0])]
    raw[0] = points(aligner.align(images[0], landmarks=[raw[0]])[0])
    for image in images[1:]:
        raw.append(points(aligner.align(image, landmarks=[raw[-1]])[0]))
    padded = [raw[0], *raw, raw[-1]]
    expected = [np.mean(padded[t : t + 3], axis=0) for t in range(len(images))]

    tracker, window = FaceTracker(aligner, motion="none", follow=follow), Window(n_pre=1, n_next=1)
    out = [f for t, image in enumerate(images) for f in window.push(tracker.update(image), t / 30)]
    out += window.flush()
    for (tracked,), want in zip(out, expected, strict=True):
        # 3DDFA_V2's own program gives the same within 0.0008 px (landmarks of a clip of 150 frames).
        assert np.allclose(points(tracked.face), want, atol=1e-3)


def test_a_face_that_moves_slowly_is_cropped_as_if_it_did_not(aligner, images):
    still, moving = (
        [f[0].face.landmarks for f in FaceTracker(aligner, motion=motion).track(images)]
        for motion in ("none", "constant-velocity")
    )
    assert np.array_equal(still, moving)


def test_a_face_behind_a_curtain_is_lost_and_found(aligner, images):
    tracker = FaceTracker(aligner)
    curtain = np.random.default_rng(0).integers(60, 120, images[0].shape).astype(np.uint8)
    seen = []
    for t, image in enumerate(images):
        (tracked,) = tracker.update(curtain if 10 <= t < 20 else image)
        seen.append(tracked.visible)
        assert tracked.id == 0
    lost, found = seen.index(False), 29 - seen[::-1].index(False) + 1
    assert 10 <= lost <= 12
    assert 20 <= found <= 23


def test_people_on_cards_keep_their_ids_when_they_cross_leave_and_return(aligner):
    """Person 1 passes behind person 0, leaves on the right and comes back."""
    middles = {0: [], 1: []}
    states = {0: [], 1: []}
    tracker = FaceTracker(aligner)
    for frame in VideoReader(REPOSITORY / "examples" / "clip.mp4"):
        for tracked in tracker.update(frame.image):
            states[tracked.id].append(tracked.state)
            if tracked.visible:
                middles[tracked.id].append(BoundingBox.around(tracked.face.landmarks).center[0])
    assert set(states[0]) == {"new", "tracked"}
    assert states[1].count("returned") == 2
    assert max(middles[0]) - min(middles[0]) < 60
    assert min(middles[1]) < 100
    assert max(middles[1]) > 440
