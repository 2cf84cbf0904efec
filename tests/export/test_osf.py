"""OpenSeeFace: the bytes that its Unity component and its tracker agree on, and a head that turns right."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from live_faces import OSF_TRACKER_ROW, SIZE, face, hand_made, read_osf_unity
from tddfa.export import osf
from tddfa.export.capture import ARKIT_SHAPES, EyeRotation, FaceCapture, quaternion
from tddfa.geometry.rotation import head_rotation
from tddfa.types import HeadPose

POSES = [(0, 0, 0), (30, 0, 0), (-60, 0, 0), (0, 25, 0), (0, 0, -40), (20, -10, 15), (-35, 20, 50)]


def datagram(*captures: FaceCapture, time: float = 12.5) -> bytes:
    return osf.encode(captures, width=SIZE[0], height=SIZE[1], time=time)


def test_a_face_takes_1785_bytes_in_both_public_layouts():
    assert osf.BYTES_PER_FACE == 1785 == OSF_TRACKER_ROW.itemsize
    assert len(datagram(hand_made())) == 1785
    assert len(datagram(hand_made(), hand_made())) == 2 * 1785
    assert datagram() == b""


@pytest.mark.parametrize("seed", range(3))
def test_unity_reads_the_numbers_of_the_face(seed):
    capture = FaceCapture.of(face(seed), slot=2, confidence=0.625)
    (read,) = read_osf_unity(datagram(capture, time=1e9 + 1 / 3))
    assert read["time"] == 1e9 + 1 / 3
    assert read["id"] == 2
    assert read["resolution"] == SIZE
    assert read["right_open"] == pytest.approx(1 - capture.shapes["eyeBlinkRight"], abs=1e-7)
    assert read["left_open"] == pytest.approx(1 - capture.shapes["eyeBlinkLeft"], abs=1e-7)
    assert (read["got_3d"], read["error"]) == (1, 0)
    assert set(read["confidence"]) == {0.625}
    assert read["features"]["EyeLeft"] == pytest.approx(
        capture.shapes["eyeWideLeft"] - capture.shapes["eyeBlinkLeft"], abs=1e-7
    )


def test_the_trackers_own_row_has_the_same_numbers_as_unitys_reading():
    data = datagram(FaceCapture.of(face(1), slot=1), FaceCapture.of(face(2)))
    rows, faces = np.frombuffer(data, OSF_TRACKER_ROW), read_osf_unity(data)
    for row, read in zip(rows, faces, strict=True):
        assert row["id"] == read["id"]
        assert row["blink"].tolist() == [read["right_open"], read["left_open"]]
        assert row["quaternion"].tolist() == list(read["quaternion"])
        assert row["euler"].tolist() == list(read["euler"])
        assert row["lms"].tolist() == read["points"].tolist()
        assert (row["pts_3d"] * [1, -1, 1]).tolist() == read["points_3d"].tolist()
        assert row["features"].tolist() == list(read["features"].values())


def test_points_are_the_landmarks_without_the_inner_corners_of_the_mouth():
    capture = FaceCapture.of(face(0))
    (read,) = read_osf_unity(datagram(capture))
    kept = [k for k in range(68) if k not in (60, 64)]
    assert sorted(osf.LANDMARKS) == kept
    assert read["points"][:66] == pytest.approx(capture.landmarks[list(osf.LANDMARKS), :2], abs=1e-4)


def pupils_and_eyes(capture: FaceCapture) -> tuple[np.ndarray, np.ndarray]:
    (read,) = read_osf_unity(datagram(capture))
    right, left = (capture.landmarks[corners, :2].mean(axis=0) for corners in ([36, 39], [42, 45]))
    return read["points"][66:68], np.stack([right, left])


def test_pupils_lie_between_the_corners_and_move_where_the_eyes_look():
    rest = face(0, (0.0, 0.0, 0.0))
    still = dict.fromkeys(ARKIT_SHAPES, 0.0)
    base = FaceCapture.of(rest)

    def looking(*angles: float) -> FaceCapture:
        return replace(base, shapes=still, left_eye=EyeRotation(*angles), right_eye=EyeRotation(*angles))

    pupils, eyes = pupils_and_eyes(looking(0.0, 0.0))
    assert pupils == pytest.approx(eyes, abs=1e-3)
    moved = pupils_and_eyes(looking(20.0, 10.0))[0] - pupils
    assert (moved[:, 0] < -1).all()  # +yaw: to the left of the picture
    assert (moved[:, 1] < -1).all()  # +pitch: up


@pytest.mark.parametrize("pose", POSES)
def test_3d_points_do_not_turn_with_the_head(pose):
    turned, frontal = (
        read_osf_unity(datagram(FaceCapture.of(face(0, p))))[0]["points_3d"] for p in (pose, (0, 0, 0))
    )
    assert turned[:66] == pytest.approx(frontal[:66], abs=1e-4)
    assert turned[30] == pytest.approx([0, 0, 0], abs=1e-6)  # the tip of the nose
    assert turned[8][1] < -0.4 < 0.2 < turned[27][1]  # the chin is below, the root of the nose above
    assert turned[0][0] > 0 > turned[16][0]  # x to the subject's right


@pytest.mark.parametrize("pose", POSES)
def test_opencv_and_scipy_agree_on_angles_and_quaternion(pose):
    capture = FaceCapture.of(face(0, pose))
    R = osf.tracker_rotation(capture)
    (read,) = read_osf_unity(datagram(capture))
    # The tracker writes the quaternion of the inverse; its sign is free.
    expected = Rotation.from_matrix(R).inv()
    assert (Rotation.from_quat(read["quaternion"]) * expected.inv()).magnitude() < 1e-6
    angles = cv2.RQDecomp3x3(R)[0]
    again = Rotation.from_euler("ZYX", angles[::-1], degrees=True).as_matrix()
    assert again == pytest.approx(R, abs=1e-6)
    ours = Rotation.from_euler("ZYX", read["euler"][::-1], degrees=True).as_matrix()
    assert ours == pytest.approx(R, abs=1e-6)
    if abs(pose[0]) < 80:  # as the tracker sees upright faces: x near ±180°, z near 90°
        assert abs(read["euler"][1]) < 90


def test_a_frontal_face_has_the_angles_that_the_tracker_calls_frontal():
    (read,) = read_osf_unity(datagram(FaceCapture.of(face(0, (0.0, 0.0, 0.0)))))
    assert np.abs(read["euler"]) == pytest.approx([180, 0, 90], abs=1e-6)
    assert read["euler"][2] > 0
    assert np.abs(read["quaternion"]) == pytest.approx([0.5**0.5, 0.5**0.5, 0, 0], abs=1e-6)


def unity_head(pose) -> np.ndarray:
    """The rotation that OpenSeeIKTarget gives an avatar, calibrated on a frontal face: Unity's frame."""

    def converted(angles) -> Rotation:
        (read,) = read_osf_unity(datagram(FaceCapture.of(face(0, angles))))
        x, y, z, w = read["quaternion"]
        return Rotation.from_quat([-y, -x, z, w])

    return (converted(pose) * converted((0.0, 0.0, 0.0)).inv()).as_matrix()


@pytest.mark.parametrize("pose", POSES)
def test_the_avatar_in_unity_turns_as_the_head_does(pose):
    # Unity's frame there has x to the left of the picture, y up, z to the viewer: the image frame with every
    # axis reversed, in which a rotation has the same matrix.
    frontal, turned = (head_rotation(HeadPose(*map(float, p))) for p in ((0, 0, 0), pose))
    assert unity_head(pose) == pytest.approx(turned @ frontal.T, abs=1e-5)


def test_the_nose_is_where_a_pinhole_camera_sees_it_and_nearer_faces_are_nearer():
    capture = FaceCapture.of(face(0, (0.0, 0.0, 0.0)))
    (read,) = read_osf_unity(datagram(capture))
    down, right, depth = read["translation"]
    width, height = SIZE
    x, y = capture.landmarks[30, :2]
    assert width / 2 + width * right / depth == pytest.approx(x, abs=1e-3)
    assert height / 2 + width * down / depth == pytest.approx(y, abs=1e-3)
    assert depth < 0
    # 124 mm a unit, 640 px focal length, 1.3 px per mm: the face is 640 / 1.3 mm away.
    assert -depth * 124 == pytest.approx(width / 1.3, rel=1e-5)


@pytest.mark.parametrize(
    ("shape", "feature", "sign"),
    [
        ("eyeBlinkLeft", "eye_left", -1),
        ("eyeWideRight", "eye_right", 1),
        ("browDownLeft", "eyebrow_up_down_left", -1),
        ("browOuterUpRight", "eyebrow_up_down_right", 1),
        ("browOuterUpLeft", "eyebrow_steepness_left", -1),
        ("browInnerUp", "eyebrow_steepness_right", 1),
        ("mouthSmileLeft", "mouth_corner_up_down_left", 1),
        ("mouthFrownRight", "mouth_corner_up_down_right", -1),
        ("mouthLeft", "mouth_corner_in_out_left", 1),
        ("mouthLeft", "mouth_corner_in_out_right", -1),
        ("jawOpen", "mouth_open", 1),
        ("mouthPucker", "mouth_wide", -1),
    ],
)
def test_an_expression_moves_its_feature(shape, feature, sign):
    rest = dict.fromkeys(ARKIT_SHAPES, 0.0)
    assert set(osf.features(rest).values()) == {0.0}
    moved = osf.features(rest | {shape: 0.75})
    assert sign * moved[feature] > 0.3
    assert list(moved) == list(osf.FEATURES)


@pytest.mark.parametrize("seed", range(20))
def test_quaternions_equal_those_of_scipy_for_any_rotation(seed):
    R = Rotation.random(rng=np.random.default_rng(seed)).as_matrix()
    q = np.array(quaternion(R))
    expected = Rotation.from_matrix(R).as_quat()
    assert q == pytest.approx(expected * np.sign(expected @ q), abs=1e-12)
    assert q[np.abs(q).argmax()] > 0
