from pathlib import Path

import cv2
import numpy as np
import pytest

from tddfa.evaluation.moving_face import N_FRAMES, STEP, STILL, SWAY, Motion, MovingFace, motions
from tddfa.imaging import read_image
from tddfa.imaging.sample import sample
from tddfa.morphable import open_face_model
from tddfa.types import HeadPose

PHOTOS = Path(__file__).parents[2] / "examples" / "photos"
AT_REST = Motion(HeadPose(0, 0, 0), 0, 1, (0, 0))


@pytest.fixture(scope="module")
def face():
    """The astronaut; where exactly the model lies on the face does not matter."""
    image = read_image(PHOTOS / "astronaut.jpg")
    model = open_face_model(level=0)
    points = model.landmarks(model.params())[:, :2]
    points = (points - points.mean(axis=0)) * (90 / np.ptp(points[:, 0])) + (225, 135)
    return MovingFace.of(image, points)


def test_at_rest_the_image_is_the_photo(face):
    difference = np.abs(face.render(AT_REST).astype(int) - face.image)
    assert difference.max() <= 1


def test_a_camera_that_rolls_zooms_and_shifts_does_what_opencv_does(face):
    motion = Motion(HeadPose(0, 0, 0), 3.0, 1.05, (0.06, -0.04))
    moved = face.render(motion)
    angle, zoom = np.deg2rad(3.0), 1.05
    R = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = (np.array([512, 512]) - 1) / 2
    size = np.sqrt(np.prod(np.ptp(face.landmarks[0], axis=0)))
    t = middle - R @ middle + size * np.array([0.06, -0.04])
    warped = cv2.warpAffine(face.image, np.column_stack([R, t]), (512, 512), flags=cv2.INTER_LINEAR)
    inner = np.s_[60:-60, 60:-60]
    assert np.abs(moved[inner].astype(int) - warped[inner]).mean() < 1.0


def test_what_a_landmark_lies_on_stays_under_it(face):
    middle = np.r_[27:36, 48:68]  # nose and mouth are never hidden
    before = sample(cv2.blur(face.image, (3, 3)), face.landmarks[0][middle].astype(np.float32))
    for k in (SWAY.start + 6, SWAY.start + 18, N_FRAMES - 1):
        image = cv2.blur(face.render(motions()[k]), (3, 3))
        after = sample(image, face.landmarks[k][middle].astype(np.float32))
        assert np.abs(after - before).mean() < 4
        moved = np.linalg.norm(face.landmarks[k][middle] - face.landmarks[0][middle], axis=1)
        assert moved.mean() > 2


def test_positive_yaw_carries_the_nose_to_the_left_and_positive_pitch_up(face):
    nose_x = face.landmarks[:, 30, 0] - face.landmarks[:, [0, 16], 0].mean(axis=1)
    nose_y = face.landmarks[:, 30, 1] - face.landmarks[:, [0, 16], 1].mean(axis=1)
    yaw, pitch = (np.array([getattr(m.head, a) for m in motions()]) for a in ("yaw_deg", "pitch_deg"))
    assert np.corrcoef(yaw, nose_x)[0, 1] < -0.9
    assert np.corrcoef(pitch[SWAY], nose_y[SWAY])[0, 1] < -0.9


def test_a_sequence_rests_then_sways_then_turns_once_and_rests_again():
    frames = motions()
    assert len(frames) == N_FRAMES
    assert all(m == AT_REST for m in frames[STILL])
    assert len({m.head.yaw_deg for m in frames[SWAY]}) > 10
    assert len(set(frames[STEP][:8])) == 1
    assert len(set(frames[STEP][-20:])) == 1
    assert frames[-1].head.yaw_deg > 10


def test_the_noise_differs_from_frame_to_frame_and_not_from_run_to_run(face):
    first, second, *_ = (frame for _, frame in zip(range(2), face.frames(), strict=False))
    assert np.std(first.astype(int) - second) == pytest.approx(3 * np.sqrt(2), rel=0.15)
    np.testing.assert_array_equal(first, next(iter(face.frames())))
