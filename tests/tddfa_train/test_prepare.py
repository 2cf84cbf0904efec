"""Photos become a dataset folder."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from tddfa import FaceAligner, read_image
from tddfa.errors import InputError
from tddfa.provenance import marked
from tddfa_train.data import prepare
from tddfa_train.data.folder import open_face_folder, write_face_folder
from tddfa_train.data.prepare import (
    contact_sheet,
    photos_in,
    prepare_backgrounds,
    prepare_folder,
    teacher_landmarks,
    write_sheet,
)

FACE = {
    "landmarks68": np.zeros((1, 68, 3), np.float32),
    "landmarks68_std": np.ones(1, np.float32),
    "yaw_deg": np.zeros(1, np.float32),
}
PHOTOS = Path(__file__).parents[2] / "examples" / "photos"


@pytest.fixture(scope="module")
def prepared(published_pack, tmp_path_factory):
    """Faces of the example photos, and of a file that is no picture."""
    folder = tmp_path_factory.mktemp("prepared")
    broken = folder / "broken.jpg"
    broken.write_text("no picture")
    with pytest.MonkeyPatch.context() as patch:
        lines: list[str] = []
        patch.setattr(prepare.log, "warning", lambda line, *values: lines.append(line % values))
        counts = prepare_folder([*photos_in(PHOTOS), broken], folder / "faces", [FaceAligner(published_pack)])
    (line,) = lines
    assert line.startswith("left out: ")
    assert "broken.jpg" in line
    return counts, open_face_folder(folder / "faces")


def test_every_photo_is_accounted_for_and_faces_fill_their_crops(prepared):
    counts, faces = prepared
    assert counts["unreadable photos"] == 1
    assert counts["kept"] == len(faces) > 2
    points = faces.labels["landmarks68"]
    np.testing.assert_allclose(np.ptp(points[..., :2], axis=1).max(1), 160 / 1.8, atol=0.01)
    middle = (points[..., :2].min(1) + points[..., :2].max(1)) / 2
    np.testing.assert_allclose(middle, 79.5, atol=0.01)


def test_labels_of_a_crop_are_what_the_teacher_says_of_the_crop_itself(prepared, published_pack):
    _, faces = prepared
    row = int(np.flatnonzero(faces.labels["names"] == "astronaut.jpg#0")[0])
    points = faces.labels["landmarks68"][row]
    (face,) = FaceAligner(published_pack).align(np.array(faces.images[row]), landmarks=[points])
    error = np.linalg.norm(face.landmarks[:, :2] - points[:, :2], axis=1).mean()
    assert error < 0.02 * np.ptp(points[:, :2], axis=0).max()


def test_averaged_labels_mirror_with_the_image(published_pack):
    aligner = FaceAligner(published_pack)
    image = read_image(PHOTOS / "astronaut.jpg")
    first = aligner.align(image)[0].landmarks
    points, spread = teacher_landmarks([aligner], image, first)
    flipped = np.ascontiguousarray(image[:, ::-1])
    from tddfa_train.data.points import IBUG68_MIRROR

    mirrored_first = first[IBUG68_MIRROR] * [-1, 1, 1] + [image.shape[1] - 1, 0, 0]
    mirrored, _ = teacher_landmarks([aligner], flipped, mirrored_first.astype(np.float32))
    back = mirrored[IBUG68_MIRROR] * [-1, 1, 1] + [image.shape[1] - 1, 0, 0]
    # The jitter has one crop to each side, so only rounding of the crops' corners is left.
    np.testing.assert_allclose(back[:, :2], points[:, :2], atol=0.02 * np.ptp(points[:, :2], axis=0).max())
    assert 0 < spread < 0.03 * np.ptp(points[:, :2], axis=0).max()


def test_labels_of_two_teachers_are_their_mean(published_pack):
    image = read_image(PHOTOS / "astronaut.jpg")
    teachers = [FaceAligner(published_pack), FaceAligner("open")]
    first = teachers[0].align(image)[0].landmarks
    both, spread = teacher_landmarks(teachers, image, first)
    each = [teacher_landmarks([teacher], image, first) for teacher in teachers]
    np.testing.assert_allclose(both, np.mean([points for points, _ in each], axis=0), atol=1e-3)
    assert spread > max(own for _, own in each)


def test_a_contact_sheet_shows_the_faces_asked_for(prepared):
    _, faces = prepared
    sheet = contact_sheet(faces.images, faces.labels["landmarks68"], np.array([0, 1]), columns=3)
    assert sheet.shape == (160, 480, 3)
    assert (sheet[:, :160] == (0, 255, 0)).all(2).any()
    assert not sheet[:, 320:].any()


def test_backgrounds_are_cut_where_no_face_is(published_pack, tmp_path):
    count = prepare_backgrounds(
        photos_in(PHOTOS), tmp_path / "b.npy", FaceAligner(published_pack), count=12, side=128
    )
    squares = np.load(tmp_path / "b.npy")
    assert squares.shape == (count, 128, 128, 3)
    assert count > 6
    detector = FaceAligner(published_pack).detector
    assert not any(detector.detect(np.ascontiguousarray(square)) for square in squares)


def test_a_sheet_of_a_dataset_lies_beside_its_labels(prepared, tmp_path):
    _, faces = prepared
    write_face_folder(tmp_path, np.array(faces.images), faces.labels)
    sheet = read_image(write_sheet(tmp_path, most=3))
    assert sheet.shape == (160, 1600, 3)


def test_a_folder_without_photos_is_refused_in_one_line(tmp_path):
    with pytest.raises(InputError, match="no photos in"):
        photos_in(tmp_path)
    with pytest.raises(InputError, match=r"the folder of photos .*gone does not exist"):
        photos_in(tmp_path / "gone")
    (tmp_path / "a.jpg").touch()
    with pytest.raises(InputError, match=r"a\.jpg is a file; a folder of photos is needed"):
        photos_in(tmp_path / "a.jpg")


def test_results_dataset_folders_and_hidden_files_are_no_photos(tmp_path):
    photo = (PHOTOS / "astronaut.jpg").read_bytes()
    for name in ("a.jpg", "sub/b.JPG", "c.tif", ".d.jpg", ".hidden/e.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(photo)
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "a_3d.jpg").write_bytes(marked(photo, ".jpg"))
    images = np.zeros((1, 160, 160, 3), np.uint8)
    write_face_folder(tmp_path / "faces", images, FACE)
    write_sheet(tmp_path / "faces")
    assert [str(path.relative_to(tmp_path)) for path in photos_in(tmp_path)] == [
        "a.jpg",
        "c.tif",
        "sub/b.JPG",
    ]
