"""Beside a teacher: what its own outputs, a still face and half of the movement score."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import clips
from tddfa.errors import DatasetError
from tddfa.evaluation.expressions.predictions import Predictions
from tddfa.evaluation.expressions.teacher_report import report_teacher
from tddfa.evaluation.expressions.teacher_set import IBUG68, TeacherSet, read_teacher_set
from tddfa.imaging import write_image

NAMES = ("_neutral", "jawOpen", "eyeBlinkLeft")
N = 40


def moving_clip() -> TeacherSet:
    """A face of random points that opens its mouth and blinks, ten degrees turned in every other frame."""
    rng = np.random.default_rng(0)
    base = rng.normal(0, 60, (478, 3)).astype(np.float32) + 300
    jaw, blink = np.zeros((478, 3)), np.zeros((478, 3))
    jaw[[14, 17, 84, 87, 178, 152], 1] = 40
    blink[[159, 160, 158, 385, 386, 387], 1] = 15
    weights = np.column_stack([np.zeros(N), np.linspace(0, 1, N), np.abs(np.sin(np.arange(N)))])
    weights[0] = 0
    points = base + weights[:, 1, None, None] * jaw + weights[:, 2, None, None] * blink
    angle = np.deg2rad(10)
    R = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    points[1::2] = points[1::2] @ R.T
    return TeacherSet(
        folder=Path("clips"),
        teacher="a teacher",
        names=tuple(f"one.mp4/{k:05d}" for k in range(N)),
        person=np.array(["one.mp4"] * N),
        points478=points.astype(np.float32),
        coefficients=weights.astype(np.float32),
        coefficient_names=NAMES,
        yaw_deg=np.tile(np.array([0, 10], np.float32), N // 2),
        clips=True,
    )


def of_teacher(data: TeacherSet) -> Predictions:
    return Predictions(
        source="itself",
        names=data.coefficient_names,
        coefficients=data.coefficients,
        points68=data.points68,
        points478=data.points478,
        indices478=np.arange(478, dtype=np.int32),
        identity=None,
        pose_deg=None,
    )


def test_a_teacher_follows_itself_fully() -> None:
    data = moving_clip()
    record = report_teacher(data, of_teacher(data)).record
    assert record["protocol"] == "expressions/clips/2"
    assert record["followed"]["mediapipe478"]["followed"] == pytest.approx(1)
    assert record["followed"]["ibug51"]["followed"] == pytest.approx(1)
    assert record["coefficients"]["mean_correlation"] == pytest.approx(1)
    assert record["coefficients"]["measured"] == 2


def test_faces_whose_heads_are_seen_otherwise_are_left_out_and_counted() -> None:
    data = moving_clip()
    pose = np.stack([-data.yaw_deg, 0 * data.yaw_deg, 0 * data.yaw_deg], 1)  # of the other convention
    wrong = data.coefficients.copy()
    wrong[:6] = 0.5
    mine = replace(of_teacher(data), pose_deg=pose, coefficients=wrong)
    agreed = report_teacher(data, mine).record
    assert agreed["disputed"] == 0
    assert agreed["coefficients"]["mean_correlation"] < 0.99
    pose[:6, 0] = 80
    record = report_teacher(data, mine).record
    assert record["disputed"] == 6
    assert record["coefficients"]["mean_correlation"] == pytest.approx(1)


def test_a_clip_of_a_few_frames_has_no_correlation() -> None:
    data = moving_clip()
    pose = np.zeros((N, 3), np.float32)
    pose[5:, 0] = 80
    record = report_teacher(data, replace(of_teacher(data), pose_deg=pose)).record
    assert record["coefficients"]["mean_correlation"] is None


def test_half_of_the_movement_is_half_whatever_the_face_and_its_pose() -> None:
    data = moving_clip()
    calm = data.points478[:1]
    half = np.stack(
        [(a + b) / 2 for a, b in zip(data.points478[::2], np.repeat(calm, N // 2, 0), strict=True)]
    )
    even = replace(
        data,
        names=data.names[::2],
        person=data.person[::2],
        points478=data.points478[::2],
        coefficients=data.coefficients[::2],
        yaw_deg=data.yaw_deg[::2],
    )
    mine = replace(of_teacher(even), points478=2 * half + 7, points68=2 * half[:, list(IBUG68)] + 7)
    record = report_teacher(even, mine).record
    # Twice as large a face, so half of its movement is as many pixels as the teacher's.
    assert record["followed"]["mediapipe478"]["followed"] == pytest.approx(1, abs=1e-3)
    mine = replace(of_teacher(even), points478=half + 7)
    record = report_teacher(even, mine).record
    assert record["followed"]["mediapipe478"]["followed"] == pytest.approx(0.5, abs=1e-3)
    assert record["followed"]["mediapipe478"]["regions"]["lips"] == pytest.approx(0.5, abs=1e-3)


def test_a_face_that_never_moves_follows_nothing() -> None:
    data = moving_clip()
    still = replace(
        of_teacher(data),
        points478=np.repeat(data.points478[:1], N, 0),
        points68=None,
        coefficients=np.zeros_like(data.coefficients),
    )
    record = report_teacher(data, still).record
    assert record["followed"]["mediapipe478"]["followed"] == pytest.approx(0, abs=1e-6)
    assert record["coefficients"]["mean_correlation"] == 0


def test_a_folder_is_read_as_the_script_writes_it(tmp_path: Path) -> None:
    data = moving_clip()
    names = [f"{k}.png" for k in range(N)]
    for name in names:
        write_image(tmp_path / name, np.zeros((8, 8, 3), np.uint8))
    points = data.points478.copy()
    points[3] = np.nan  # nobody found
    yaw = data.yaw_deg.copy()
    yaw[5] = 60  # too far to the side
    np.savez(
        tmp_path / "mediapipe.npz",
        source="a teacher",
        names=names,
        points478=points,
        blendshapes=data.coefficients,
        blendshape_names=NAMES,
        yaw_deg=yaw,
    )
    (tmp_path / "index.csv").write_text("name,clip\n" + "\n".join(f"{name},7" for name in names))
    read = read_teacher_set(tmp_path)
    assert len(read) == N - 2
    assert set(read.person) == {"7"}
    assert not read.clips
    assert sum(1 for _ in read.images()) == N - 2
    (tmp_path / "4.png").unlink()
    with pytest.raises(DatasetError, match="lacks 1 of the"):
        list(read_teacher_set(tmp_path).images())


def test_frames_of_clips_in_any_order_keep_their_own_image_and_points(tmp_path: Path) -> None:
    data = moving_clip()
    for clip, value in (("a.mp4", 60), ("b.mp4", 200)):
        clips.write_clip(tmp_path / clip, [np.full((64, 64, 3), value + 5 * k, np.uint8) for k in range(3)])
    names = ["a.mp4/00000", "b.mp4/00002", "a.mp4/00002", "b.mp4/00000"]
    blendshapes = np.array([60, 210, 70, 200], np.float32)[:, None]  # how bright each frame is
    arrays = {"source": "a teacher", "points478": data.points478[:4], "yaw_deg": data.yaw_deg[:4]}
    labels = {**arrays, "names": names, "blendshapes": blendshapes, "blendshape_names": ["brightness"]}
    np.savez(tmp_path / "mediapipe.npz", **labels)
    read = read_teacher_set(tmp_path)
    assert sorted(read.names) == sorted(names)
    shown = [image.mean() for image in read.images()]
    np.testing.assert_allclose(shown, read.coefficients[:, 0], atol=3)
    np.savez(tmp_path / "mediapipe.npz", **{**labels, "names": [names[0], *names[:3]]})
    with pytest.raises(DatasetError, match=r"has 1 names more than once.*a\.mp4/00000"):
        read_teacher_set(tmp_path)


def test_a_folder_of_nothing_says_what_it_should_hold(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"mediapipe_faces\.py writes them"):
        read_teacher_set(tmp_path)
