import csv

import numpy as np
import pytest

from evaluation_sets import YAW, N, write_aflw
from tddfa.errors import DatasetError, InputError
from tddfa.evaluation import evaluate
from tddfa.evaluation.metrics import aflw21
from tddfa.imaging.files import encode_image
from tddfa.types import BoundingBox


@pytest.fixture(scope="module")
def marked(toy_aligner, toy_set):
    """The toy network's 21 points in the crop, each 3 px too far to the right; half of one face unmarked."""
    faces = toy_aligner.align_crops(toy_set.crops, [BoundingBox(0, 0, 120, 120)] * N)
    points = aflw21(np.stack([f.landmarks[:, :2] for f in faces])) + np.array([3.0, 0.0])
    points[1, 10:] = -1
    points[2] = -1
    return points


@pytest.fixture
def folder(toy_set, marked, tmp_path):
    write_aflw(tmp_path / "aflw", toy_set, marked)
    return tmp_path / "aflw"


def test_the_error_is_that_of_the_marked_points_over_the_size_of_the_68(toy_aligner, toy_set, folder):
    report = evaluate("aflw", toy_aligner, folder)
    sizes = np.sqrt(np.prod(np.ptp(toy_set.truth, axis=1), axis=1))
    errors = [row["error"] for row in report.rows]
    assert errors[2] is None  # no point of this face is marked
    np.testing.assert_allclose(np.delete(np.array(errors, float), 2), np.delete(300 / sizes, 2), rtol=1e-5)
    assert report.record["count"] == N - 1
    assert [row["n_points"] for row in report.rows][:4] == [21, 10, 0, 21]
    assert "the true 68 points" in report.record["normaliser"]
    assert len(report.view(1).truth) == 10


def test_without_68_points_the_size_comes_from_a_teacher_and_the_record_says_so(toy_aligner, toy_set, folder):
    before = evaluate("aflw", toy_aligner, folder).record["mean"]
    labels = dict(np.load(folder / "pts21.npz"))
    np.savez(folder / "teacher_x.npz", lm68=labels.pop("pts68"))
    np.savez(folder / "pts21.npz", **labels)
    record = evaluate("aflw", toy_aligner, folder).record
    assert record["mean"] == before
    assert "teacher_x, not of people" in record["normaliser"]


def test_where_nobody_knows_68_points_errors_are_divided_by_the_crop_or_the_prediction(
    toy_aligner, toy_set, folder
):
    labels = dict(np.load(folder / "pts21.npz"))
    del labels["pts68"]
    np.savez(folder / "pts21.npz", **labels)
    report = evaluate("aflw", toy_aligner, folder)
    assert report.record["protocol"] == "aflw-21/crop-size/1"
    assert "of the crop" in report.record["normaliser"]
    assert report.rows[0]["error"] == pytest.approx(100 * 3 / 120, rel=1e-4)

    report = evaluate("aflw", toy_aligner, folder, normaliser="prediction")
    assert report.record["protocol"] == "aflw-21/prediction-size/1"
    face = toy_aligner.align_crops(toy_set.crops[:1], [BoundingBox(0, 0, 120, 120)])[0]
    size = np.sqrt(np.prod(np.ptp(face.landmarks[:, :2], axis=0)))
    assert report.rows[0]["error"] == pytest.approx(300 / size, rel=1e-4)

    with pytest.raises(DatasetError, match="no 68 points, whose box errors are to be divided by; choose the"):
        evaluate("aflw", toy_aligner, folder, normaliser="truth")
    with pytest.raises(InputError, match="no normaliser 'eyes'; choose from truth, crop, prediction"):
        evaluate("aflw", toy_aligner, folder, normaliser="eyes")


def test_what_is_wrong_with_a_set_is_one_clear_line(toy_aligner, folder, tmp_path):
    with pytest.raises(DatasetError, match=r"holds no AFLW; readable are pts21\.npz"):
        evaluate("aflw", toy_aligner, tmp_path)
    index = folder / "index.csv"
    whole = index.read_text()
    index.write_text(whole.replace("yaw", "angle"))
    with pytest.raises(DatasetError, match="not a table with the columns name and yaw"):
        evaluate("aflw", toy_aligner, folder)
    with index.open("w", newline="") as file:
        csv.writer(file).writerows(list(csv.reader(whole.splitlines()))[:-1])
    with pytest.raises(DatasetError, match="do not belong together: 11 names, 12 faces in pts21"):
        evaluate("aflw", toy_aligner, folder)
    index.unlink()
    with pytest.raises(DatasetError, match=r"no such file: .*index\.csv"):
        evaluate("aflw", toy_aligner, folder)


def test_a_set_without_any_marked_point_is_told(toy_aligner, toy_set, marked, tmp_path):
    write_aflw(tmp_path / "blank", toy_set, np.full_like(marked, -1))
    with pytest.raises(DatasetError, match=r"no face .* has a marked point"):
        evaluate("aflw", toy_aligner, tmp_path / "blank")


def test_the_published_arrays_and_the_crops_with_their_table_are_the_same_set(
    toy_aligner, toy_set, folder, marked, tmp_path
):
    configs, files = tmp_path / "3DDFA/test.configs", tmp_path / "3DDFA/test.data"
    configs.mkdir(parents=True)
    (files / "AFLW_GT_crop").mkdir(parents=True)
    (files / "AFLW_GT_crop.list").write_text("\n".join(toy_set.names))
    for name, image in zip(toy_set.names, toy_set.crops, strict=True):
        (files / "AFLW_GT_crop" / name).write_bytes(encode_image(image, "png"))
    np.save(configs / "AFLW_GT_pts21.npy", marked.transpose(0, 2, 1))
    np.save(configs / "AFLW_GT_pts68.npy", toy_set.truth.transpose(0, 2, 1))
    np.save(configs / "AFLW_GT_crop_yaws.npy", YAW)
    np.save(configs / "AFLW_GT_crop_roi_box.npy", np.tile([0, 0, 120, 120], (N, 1)))
    theirs, ours = (
        dict(evaluate("aflw", toy_aligner, place).record) for place in (tmp_path / "3DDFA", folder)
    )
    for record in (theirs, ours):
        del record["data"], record["normaliser"]
    assert theirs == ours
