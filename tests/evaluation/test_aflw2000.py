import hashlib
import json

import numpy as np
import pytest

import tddfa
from evaluation_sets import IN_BINS, N, write_archive, write_original, write_tar, write_v2
from tddfa import FaceAligner
from tddfa.errors import DatasetError, InputError
from tddfa.evaluation import contact_sheet, evaluate
from tddfa.evaluation.contact_sheet import PREDICTED, TRUTH

REFERENCE = {  # of the published ×0.5 network on the dev split, by its own project's code
    "original": (2.918, 3.658, 4.998, 3.858),
    "reannotated": (2.202, 2.826, 4.068, 3.032),
}


@pytest.fixture(scope="module")
def archive(toy_set, tmp_path_factory):
    folder = tmp_path_factory.mktemp("aflw2000")
    write_archive(folder, toy_set)
    return folder


def test_the_published_network_has_its_published_errors(published_pack, shared):
    folder = shared / "data" / "eval" / "aflw2000_dev"
    report = evaluate("aflw2000", FaceAligner(published_pack), folder)
    for truth, (*bins, headline) in REFERENCE.items():
        mean = report.record["truths"][truth]
        assert list(mean["bins"].values()) == pytest.approx(bins, abs=1e-3)
        assert mean["mean_of_bins"] == pytest.approx(headline, abs=1e-3)
        assert mean["interval"][0] < headline < mean["interval"][1]
    assert list(report.record["counts"].values()) == [317, 102, 81]
    recorded = np.load(folder / "ref_mb05.npz")
    np.testing.assert_allclose([row["error"] for row in report.rows], recorded["nme"], atol=2e-3)
    pose = report.record["pose"]
    assert pose["count"] == 491
    assert 3.8 < pose["mae"] < 3.95


def test_each_error_is_the_known_shift_over_the_size(toy_aligner, toy_set, archive):
    report = evaluate("aflw2000", toy_aligner, archive)
    np.testing.assert_allclose([row["error"] for row in report.rows], toy_set.errors, rtol=1e-6)
    assert tuple(report.record["counts"].values()) == IN_BINS
    bins = [toy_set.errors[:4].mean(), toy_set.errors[4:8].mean(), toy_set.errors[8:].mean()]
    assert list(report.record["bins"].values()) == pytest.approx(bins, abs=1e-4)
    assert report.record["mean_of_bins"] == pytest.approx(np.mean(bins), abs=1e-4)
    assert report.record["mean"] == pytest.approx(toy_set.errors.mean(), abs=1e-4)
    again = report.record["truths"]["reannotated"]["mean"]
    assert again == pytest.approx(toy_set.errors.mean() / 2, abs=1e-4)


def test_the_head_pose_counts_faces_whose_angles_can_be_trusted(toy_aligner, toy_set, archive):
    # The toy network looks straight ahead, so the errors are the angles themselves.
    pose = evaluate("aflw2000", toy_aligner, archive).record["pose"]
    usable = np.abs(toy_set.poses).max(axis=1) <= 99
    assert (pose["count"], pose["dropped"]) == (usable.sum(), 1)
    expected = np.abs(toy_set.poses[usable]).mean(axis=0)
    assert [pose["pitch"], pose["yaw"], pose["roll"]] == pytest.approx(expected, abs=0.02)
    assert pose["mae"] == pytest.approx(expected.mean(), abs=0.02)
    assert pose["geodesic"] >= pose["yaw"]


def test_tar_files_of_a_folder_name_their_images_as_the_labels_do(toy_aligner, toy_set, archive, tmp_path):
    write_archive(tmp_path, toy_set)
    write_tar(tmp_path / "crops.tar", [f"./{name}" for name in toy_set.names], toy_set.crops)
    assert evaluate("aflw2000", toy_aligner, tmp_path).rows == evaluate("aflw2000", toy_aligner, archive).rows


def test_a_name_that_two_faces_have_is_refused(toy_aligner, toy_set, tmp_path):
    write_archive(tmp_path, toy_set)
    change(tmp_path, "names", lambda names: np.array([names[0], *names[:-1]]))
    with pytest.raises(DatasetError, match=f"has 1 names more than once among 12 faces.*{toy_set.names[0]}"):
        evaluate("aflw2000", toy_aligner, tmp_path)


def test_the_published_arrays_and_the_archive_are_the_same_set(toy_aligner, toy_set, archive, tmp_path):
    write_v2(tmp_path / "3DDFA", toy_set)
    theirs = dict(evaluate("aflw2000", toy_aligner, tmp_path / "3DDFA").record)
    ours = dict(evaluate("aflw2000", toy_aligner, archive).record)
    assert theirs["pose"] is None  # their arrays have the yaw alone
    for record in (theirs, ours):
        del record["pose"], record["data"]
    assert theirs == ours


def test_original_images_are_cut_around_the_truth_and_say_so(toy_aligner, toy_set, tmp_path):
    write_original(tmp_path / "AFLW2000", toy_set)
    report = evaluate("aflw2000", toy_aligner, tmp_path / "AFLW2000")
    assert report.record["crops_from"].startswith("cut from the images around the true 68 points")
    assert report.record["count"] == N
    assert list(report.record["truths"]) == ["original"]
    faces = [
        toy_aligner.align(np.zeros((450, 450, 3), np.uint8), landmarks=[truth])[0] for truth in toy_set.truth
    ]
    sizes = np.sqrt(np.prod(np.ptp(toy_set.truth, axis=1), axis=1))
    expected = [
        100 * np.linalg.norm(f.landmarks[:, :2] - t, axis=1).mean() / s
        for f, t, s in zip(faces, toy_set.truth, sizes, strict=True)
    ]
    np.testing.assert_allclose([row["error"] for row in report.rows], expected, rtol=1e-5)


class TestDetector:
    @pytest.fixture
    def images(self, toy_set, tmp_path):
        """Two images: the toy detector finds the face of the first; the second's is elsewhere."""
        folder = tmp_path / "set"
        write_archive(folder, toy_set)
        write_tar(folder / "full450.tar", toy_set.names[:2], [np.zeros((128, 128, 3), np.uint8)] * 2)
        labels = dict(np.load(folder / "labels.npz"))
        middle = labels["pts68"][0, :2]
        low, high = middle.min(axis=1, keepdims=True), middle.max(axis=1, keepdims=True)
        labels["pts68"][0, :2] = (middle - low) / (high - low) * 80 + 24
        labels["pts68"][1, :2] += 5000
        np.savez(folder / "labels.npz", **labels)
        return folder

    def test_it_is_another_protocol_and_says_how_many_faces_were_found(self, toy_aligner, images):
        record = evaluate("aflw2000", toy_aligner, images, crops="detector").record
        assert record["protocol"] == "aflw2000-3d-68/detector/1"
        assert record["detected"] == {
            "found": 1,
            "of": 2,
            "bins": {"0-30": 50.0, "30-60": None, "60-90": None},
        }
        assert record["count"] == 1
        assert record["mean_of_bins"] is None
        assert record["same_faces_ground_truth_crops"]["counts"]["0-30"] == 1

    def test_crops_alone_have_nothing_to_detect_in(self, toy_aligner, archive):
        with pytest.raises(DatasetError, match="the detector needs the 450 px images"):
            evaluate("aflw2000", toy_aligner, archive, crops="detector")

    def test_when_no_face_is_found_it_says_so(self, toy_aligner, toy_set, images):
        write_tar(images / "full450.tar", toy_set.names[1:2], [np.zeros((128, 128, 3), np.uint8)])
        with pytest.raises(DatasetError, match="finds none of the 1 faces"):
            evaluate("aflw2000", toy_aligner, images, crops="detector")


def test_the_worst_faces_come_first_and_show_truth_and_prediction(toy_aligner, toy_set, archive):
    report = evaluate("aflw2000", toy_aligner, archive)
    worst = report.worst(3)
    assert worst == np.argsort(-toy_set.errors)[:3].tolist()
    sheet = contact_sheet(report, worst)
    assert sheet.shape == (276, 3 * 256, 3)
    for color in (TRUTH, PREDICTED):
        assert (np.abs(sheet.astype(int) - color).max(axis=2) < 10).sum() > 100
    view = report.view(worst[0])
    # Both sets of points lie on the crop, and are apart as in the image.
    per_px = 120 / np.ptp(toy_set.squares[worst[0]][[0, 2]])
    np.testing.assert_allclose(
        view.truth - view.predicted, np.tile(toy_set.shift[worst[0]] * per_px, (68, 1)), atol=1e-3
    )


def test_the_record_is_json_with_the_original_truth_at_its_top(toy_aligner, archive):
    record = json.loads(json.dumps(evaluate("aflw2000", toy_aligner, archive).record))
    for key in ("mean_of_bins", "bins", "counts", "mean", "interval"):
        assert record[key] == record["truths"]["original"][key]
    pack = toy_aligner.pack
    assert record["measured_with"] == {
        "tddfa": tddfa.__version__,
        "network_sha256": hashlib.sha256(pack.read("regressor.onnx")).hexdigest(),
    }


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda d: (d / "labels.npz").unlink(), "holds no AFLW2000-3D; readable are labels.npz"),
        (lambda d: (d / "crops.tar").unlink(), "no such file: .*crops.tar"),
        (lambda d: (d / "crops.tar").write_bytes(b"x" * 700), "crops.tar is no whole uncompressed tar file"),
        (lambda d: (d / "labels.npz").write_bytes(b"x"), "labels.npz is damaged or no archive of arrays"),
        (lambda d: drop(d, "pts68"), "has no array 'pts68'; it has names"),
        (
            lambda d: change(d, "yaw_deg", lambda v: v[:-1]),
            "do not belong together: 12 names, .* 11 yaw angles",
        ),
        (
            lambda d: change(d, "pts68", lambda v: v[:, :, :21]),
            r"pts68 in .*labels.npz has the shape \(12, 3, 21\)",
        ),
        (
            lambda d: change(d, "yaw_deg", lambda v: v * np.nan),
            "yaw_deg has entries that are not finite numbers",
        ),
        (
            lambda d: change(d, "pts68", lambda v: v * [[1], [0], [1]]),
            "the points of 12 of 12 faces lie on one line",
        ),
        (lambda d: change(d, "roi_box", lambda v: v * 0), "crop boxes without area"),
        (lambda d: change(d, "names", lambda v: np.char.add("no-", v)), "lacks 12 of the 12 images"),
        (lambda d: empty(d), "is empty: it has no faces"),
    ],
)
def test_what_is_wrong_with_a_set_is_one_clear_line(toy_aligner, toy_set, tmp_path, break_it, message):
    write_archive(tmp_path / "set", toy_set)
    break_it(tmp_path / "set")
    with pytest.raises(DatasetError, match=message) as caught:
        evaluate("aflw2000", toy_aligner, tmp_path / "set")
    assert "\n" not in str(caught.value)


def test_a_partial_copy_of_the_published_arrays_says_what_is_missing(toy_aligner, toy_set, tmp_path):
    write_v2(tmp_path / "3DDFA", toy_set)
    (tmp_path / "3DDFA/test.configs/AFLW2000-3D_crop.roi_box.npy").unlink()
    with pytest.raises(DatasetError, match=r"has no AFLW2000-3D_crop\.roi_box\.npy, neither directly nor in"):
        evaluate("aflw2000", toy_aligner, tmp_path / "3DDFA")


def test_a_folder_that_is_not_there_and_protocols_that_are_not_are_told(toy_aligner, tmp_path, archive):
    with pytest.raises(DatasetError, match="does not exist"):
        evaluate("aflw2000", toy_aligner, tmp_path / "nothing")
    with pytest.raises(DatasetError, match="is a file"):
        evaluate("aflw2000", toy_aligner, archive / "labels.npz")
    with pytest.raises(InputError, match="no protocol 'wflw'; choose from aflw2000"):
        evaluate("wflw", toy_aligner, archive)
    with pytest.raises(InputError, match="no crops 'mine'; choose from ground-truth, detector"):
        evaluate("aflw2000", toy_aligner, archive, crops="mine")


def drop(folder, name):
    labels = dict(np.load(folder / "labels.npz"))
    del labels[name]
    np.savez(folder / "labels.npz", **labels)


def change(folder, name, how):
    labels = dict(np.load(folder / "labels.npz"))
    labels[name] = how(labels[name])
    np.savez(folder / "labels.npz", **labels)


def empty(folder):
    labels = {name: values[:0] for name, values in np.load(folder / "labels.npz").items()}
    np.savez(folder / "labels.npz", **labels)
    write_tar(folder / "crops.tar", [], [])
