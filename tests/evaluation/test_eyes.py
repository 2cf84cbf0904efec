import csv

import numpy as np
import pytest

import clips
from evaluation_sets import write_tar
from tddfa.errors import DatasetError
from tddfa.evaluation import evaluate
from tddfa.evaluation.metrics import eye_aspect_ratios

NUMBERS = np.array([10, 33, 133, 144, 152, 153, 158, 160, 263, 362, 373, 380, 385, 387])
EYES = ([33, 160, 158, 133, 153, 144], [362, 385, 387, 263, 373, 380])


def eye(opening, x):
    h = 10 * opening
    return np.array(
        [[x, 50], [x + 6, 50 - h], [x + 14, 50 - h], [x + 20, 50], [x + 14, 50 + h], [x + 6, 50 + h]]
    )


@pytest.fixture
def folder(toy_set, tmp_path):
    """Crops whose eyes MediaPipe measured: right 0.05 or 0.3, left 0.3; two have no face, one is turned."""
    n = len(toy_set.names)
    xy = np.zeros((n, len(NUMBERS), 2))
    where = {int(number): k for k, number in enumerate(NUMBERS)}
    for k in range(n):
        for points, opening, x in zip(EYES, (0.05 if k % 2 else 0.3, 0.3), (25, 65), strict=True):
            xy[k, [where[p] for p in points]] = eye(opening, x)
        xy[k, where[152]], xy[k, where[10]] = (55, 100), (55, 5)
    found = np.ones(n, bool)
    found[:2] = False
    np.savez(tmp_path / "mediapipe.npz", found=found, indices=NUMBERS, xy=np.rint(xy * 64).astype(np.int16))
    with (tmp_path / "index.csv").open("w", newline="") as file:
        yaw = [0.0] * (n - 1) + [70.0]
        csv.writer(file).writerows([("name", "yaw_deg"), *zip(toy_set.names, yaw, strict=True)])
    write_tar(tmp_path / "a.tar", toy_set.names[:5], toy_set.crops[:5])
    write_tar(tmp_path / "b.tar", toy_set.names[5:], toy_set.crops[5:])
    return tmp_path


def test_the_reference_is_compared_eye_by_eye_where_it_can_be_trusted(toy_aligner, toy_set, folder):
    report = evaluate("eyes", toy_aligner, folder)
    assert report.record["count"] == len(toy_set.names) - 3
    assert (report.record["closed"], report.record["open"]) == (4, 14)
    assert report.rows[1]["reference_right"] == pytest.approx(0.05, abs=2e-3)
    assert report.rows[1]["reference_left"] == pytest.approx(0.3, abs=2e-3)
    # The toy face is the same everywhere: the error follows from its ratio.
    right, left = eye_aspect_ratios(toy_set.predicted[:1])[0]
    reference = np.array([[0.3, 0.3]] * 5 + [[0.05, 0.3]] * 4)
    expected = np.abs(reference - (right, left)).mean()
    assert report.record["mean_absolute_error"] == pytest.approx(expected, abs=2e-3)


def test_a_face_that_closes_its_eyes_with_the_reference_separates_completely():
    from tddfa.evaluation.eyes import _comparison

    reference = np.array([[0.05, 0.3], [0.3, 0.02], [0.25, 0.4], [0.17, 0.15]])
    record = _comparison(0.8 * reference + 0.01, reference)
    assert (record["closed"], record["open"], record["auc"]) == (2, 4, 1.0)
    assert record["correlation"] == pytest.approx(1)
    # Two open eyes of 0.25 and 0.3 lie at 0.21 and 0.25: none is below the usual threshold of 0.2.
    assert record["closed_below"]["usual"] == {"threshold": 0.2, "precision": 1.0, "recall": 1.0, "f1": 1.0}


def test_one_class_of_eyes_alone_has_no_area_and_the_text_says_why(toy_aligner, folder):
    arrays = dict(np.load(folder / "mediapipe.npz"))
    arrays["found"][1::2] = False
    np.savez(folder / "mediapipe.npz", **arrays)
    report = evaluate("eyes", toy_aligner, folder)
    assert report.record["auc"] is None
    assert "the reference has only one of the two classes" in report.text


def test_clips_are_compared_frame_by_frame(toy_aligner, tmp_path):
    clips.write_clip(tmp_path / "blink.mp4", clips.sample_images(6, 112, 112))
    rows = [("clip", "frame", "right", "left"), ("blink.mp4", 1, 0.05, 0.3), ("blink.mp4", 99, 0.05, 0.3)]
    with (tmp_path / "eyes.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    report = evaluate("eyes", toy_aligner, tmp_path)
    assert report.record["protocol"] == "eyes/clips/1"
    assert [(row["name"], row["frame"]) for row in report.rows] == [("blink.mp4", 1)]
    assert report.record["left_out"] == {"without_a_face": 0, "beyond_the_end": 1}
    assert "left out   1 beyond the end" in report.text


def test_an_image_in_two_tar_files_and_a_frame_twice_are_refused(toy_aligner, toy_set, folder):
    write_tar(folder / "b.tar", toy_set.names[4:], toy_set.crops[4:])
    with pytest.raises(DatasetError, match=f"b.tar has the image {toy_set.names[4]}, which another"):
        evaluate("eyes", toy_aligner, folder)
    (folder / "mediapipe.npz").unlink()
    (folder / "a.mp4").touch()
    (folder / "eyes.csv").write_text("clip,frame,right,left\na.mp4,3,0.1,0.1\na.mp4,3,0.3,0.3\n")
    with pytest.raises(DatasetError, match=r"frame 3 of a\.mp4 is there twice"):
        evaluate("eyes", toy_aligner, folder)


def test_what_is_wrong_with_a_set_is_one_clear_line(toy_aligner, folder, tmp_path):
    arrays = dict(np.load(folder / "mediapipe.npz"))
    np.savez(folder / "mediapipe.npz", **{**arrays, "indices": NUMBERS + 1})
    with pytest.raises(DatasetError, match="lacks the FaceMesh point 33"):
        evaluate("eyes", toy_aligner, folder)
    np.savez(folder / "mediapipe.npz", **{**arrays, "found": arrays["found"] & False})
    with pytest.raises(DatasetError, match="MediaPipe found no face"):
        evaluate("eyes", toy_aligner, folder)
    (folder / "mediapipe.npz").unlink()
    with pytest.raises(DatasetError, match="has no reference for eyes"):
        evaluate("eyes", toy_aligner, folder)
    (folder / "eyes.csv").write_text("clip,frame,right,left\n")
    with pytest.raises(DatasetError, match="is empty: it has no frames"):
        evaluate("eyes", toy_aligner, folder)
    (folder / "eyes.csv").write_text("clip,frame,right,left\ngone.mp4,0,0.1,0.1\n")
    with pytest.raises(DatasetError, match=r"names the clip gone\.mp4, which is not in"):
        evaluate("eyes", toy_aligner, folder)
    (folder / "eyes.csv").write_text("clip,frame\na.mp4,0\n")
    with pytest.raises(DatasetError, match="not a table with the columns clip, frame, right, left"):
        evaluate("eyes", toy_aligner, folder)
