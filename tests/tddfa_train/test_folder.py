"""Dataset folders and backgrounds: whatever is wrong with one is told in one line."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

pytest.importorskip("torch")

from tddfa.errors import InputError
from tddfa_train.data.batches import LandmarkBatches, LandmarkDataConfig
from tddfa_train.data.folder import open_backgrounds, open_face_folder


@pytest.fixture
def faces(drawn_faces, tmp_path):
    """A copy of a dataset folder."""
    return shutil.copytree(drawn_faces / "faces", tmp_path / "faces")


def change_labels(folder, change):
    labels = dict(np.load(folder / "labels.npz"))
    change(labels)
    np.savez(folder / "labels.npz", **labels)


@pytest.mark.parametrize("content", [b"", b"a text", b"half"])
@pytest.mark.parametrize("name", ["labels.npz", "images.npy"])
@pytest.mark.parametrize("in_memory", [True, False])
def test_a_damaged_file_is_named(faces, name, content, in_memory):
    whole = (faces / name).read_bytes()
    (faces / name).write_bytes(whole[: len(whole) // 2] if content == b"half" else content)
    with pytest.raises(
        InputError, match=rf"^cannot read .*{name}: it is damaged, cut off, or no file"
    ) as told:
        open_face_folder(faces, in_memory=in_memory)
    assert "pickle" not in str(told.value)  # numpy advises to run what a file of others holds


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda labels: labels.pop("yaw_deg"), "has 6 images and no label 'yaw_deg'"),
        (
            lambda labels: labels.update(landmarks68=labels["landmarks68"][:4]),
            "has 6 images and 4 labels 'landmarks68'",
        ),
        (
            lambda labels: labels["landmarks68"].__setitem__(2, np.nan),
            "face 2, counted from 0, has no landmark in landmarks68",
        ),
    ],
)
def test_labels_that_do_not_fit_the_images_are_named(faces, change, line):
    change_labels(faces, change)
    with pytest.raises(InputError, match=line):
        open_face_folder(faces)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(
        InputError, match=r"gone is no dataset folder: it is not there; 'tddfa-train prepare' makes one"
    ):
        open_face_folder(tmp_path / "gone")
    with pytest.raises(InputError, match=r"cannot read .*labels\.npz: No such file or directory"):
        open_face_folder(tmp_path)


@pytest.mark.parametrize(
    ("squares", "line"),
    [
        (np.zeros((0, 160, 160, 3), np.uint8), r"holds uint8 \(0, 160, 160, 3\); .* n at least 1"),
        (np.zeros((2, 160, 160, 3), np.float32), "holds float32"),
        (np.zeros((2, 100, 160, 3), np.uint8), "s at least 120"),
    ],
)
def test_backgrounds_that_are_none(tmp_path, squares, line):
    np.save(tmp_path / "b.npy", squares)
    with pytest.raises(InputError, match=line):
        open_backgrounds(tmp_path / "b.npy", side=120)


def test_labels_are_no_backgrounds(faces):
    with pytest.raises(
        InputError, match="holds arrays by name; 'tddfa-train backgrounds' writes a single one"
    ):
        open_backgrounds(faces / "labels.npz", side=120)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"folder_weights": (1.0, 2.0)}, "folder_weights has 2 numbers for 1 folders; give one for each"),
        ({"folder_weights": (-1.0,)}, "are shares; give numbers of at least 0"),
        ({"yaw_shares": (1.0, -1.0, 1.0)}, "are shares; give numbers of at least 0"),
        ({"side": 64}, "data.side is 64; the networks take crops of 120 px"),
    ],
)
def test_data_that_does_not_fit_is_refused(faces, drawn_faces, options, line):
    config = LandmarkDataConfig((str(faces),), str(drawn_faces / "backgrounds.npy"), **options)
    with pytest.raises(InputError, match=line):
        LandmarkBatches(config, 1)
