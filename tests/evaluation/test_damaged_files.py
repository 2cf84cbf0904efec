"""Label files of evaluation sets and predictions: whatever is wrong with one is told in one line."""

from __future__ import annotations

import contextlib
import csv
import io
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from evaluation_sets import ToySet, write_aflw, write_archive, write_tar
from tddfa.cli.main import main
from tddfa.errors import DatasetError
from tddfa.evaluation.data.aflw import read_aflw
from tddfa.evaluation.data.aflw2000 import read_aflw2000
from tddfa.evaluation.data.arrays import names_and_numbers, read_npy, read_npz
from tddfa.evaluation.data.eyes import read_eye_clips, read_eye_crops
from tddfa.evaluation.data.images import FolderImages, TarImages
from tddfa.evaluation.data.v2_files import V2Folder
from tddfa.evaluation.expressions.portrait_set import read_portrait_set
from tddfa.evaluation.expressions.predictions import check_predictions, read_predictions
from tddfa.evaluation.expressions.teacher_set import read_teacher_set

Arrays = Mapping[str, np.ndarray]


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def npz(arrays: Arrays, *, compressed: bool = False) -> bytes:
    out = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(out, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def zipped(name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, data)
    return out.getvalue()


WHOLE = npz({"a": np.arange(500.0)}, compressed=True)
NO_ARCHIVES = {
    "empty": (b"", "is empty (0 bytes)"),
    "one array": (npy(np.arange(3)), "is a single array (.npy); an archive of named arrays (.npz) is needed"),
    "text": (b"name,yaw\na,1\n", "is damaged or no archive of arrays"),
    "a pickle": (pickle.dumps({"a": [1]}), "is damaged or no archive of arrays"),
    "half": (WHOLE[: len(WHOLE) // 2], "is no whole archive of arrays (.npz): it is damaged"),
    "without its last bytes": (WHOLE[:-30], "is no whole archive of arrays (.npz): it is damaged"),
    "changed": (WHOLE[:200] + bytes([WHOLE[200] ^ 1]) + WHOLE[201:], "it is damaged"),
    "another zip": (zipped("readme.txt", b"hello there"), "it is damaged"),
    "pickled objects": (npz({"a": np.array([{}], object)}), "the array 'a' has the type |O; numbers"),
}


@pytest.mark.parametrize(("data", "message"), NO_ARCHIVES.values(), ids=NO_ARCHIVES)
def test_a_file_that_is_no_archive_of_arrays_is_one_line(tmp_path, data, message):
    path = tmp_path / "labels.npz"
    path.write_bytes(data)
    refuses(lambda: read_npz(path), path, message)


def test_what_cannot_be_read_at_all_is_one_line(tmp_path):
    for read in (read_npz, read_npy):
        refuses(lambda read=read: read(tmp_path / "gone"), tmp_path / "gone", "no such file")
        refuses(lambda read=read: read(tmp_path), tmp_path, "cannot read")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty (0 bytes)"),
        (WHOLE, "no single array (.npy), as numpy.save writes it"),
        (npy(np.arange(100))[:-1], "is no whole array (.npy): it has 799 bytes, which its shape (100,)"),
        (npy(np.arange(100))[:20], "it is damaged"),
        (npy(np.array([{}], object)), "it has the type |O; numbers, booleans and text are read"),
    ],
)
def test_a_file_that_is_no_array_is_one_line(tmp_path, data, message):
    path = tmp_path / "points.npy"
    path.write_bytes(data)
    refuses(lambda: read_npy(path), path, message)


def refuses(read: Callable[[], object], path: Path | None, message: str) -> None:
    with pytest.raises(DatasetError) as error:
        read()
    text = str(error.value)
    assert message in text
    assert "\n" not in text
    assert path is None or str(path) in text


# ---- each set, with each of its arrays exchanged for what it must not be


def aflw2000(folder: Path, toy: ToySet) -> tuple[Path, Callable[[], object]]:
    write_archive(folder, toy)
    return folder / "labels.npz", lambda: read_aflw2000(folder)


def aflw(folder: Path, toy: ToySet) -> tuple[Path, Callable[[], object]]:
    write_aflw(folder, toy, toy.truth[:, :21])
    return folder / "pts21.npz", lambda: read_aflw(folder)


def eyes(folder: Path, toy: ToySet) -> tuple[Path, Callable[[], object]]:
    folder.mkdir()
    n = len(toy.names)
    path = folder / "mediapipe.npz"
    np.savez(path, found=np.ones(n, bool), indices=np.arange(468), xy=points(n, 468, 2).astype(np.int16))
    with (folder / "index.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("name", "yaw_deg"), *((name, 0.0) for name in toy.names)])
    write_tar(folder / "crops.tar", toy.names, toy.crops)
    return path, lambda: read_eye_crops(folder)


def teacher(folder: Path, toy: ToySet) -> tuple[Path, Callable[[], object]]:
    folder.mkdir()
    n = len(toy.names)
    path = folder / "mediapipe.npz"
    np.savez(
        path,
        source="a teacher",
        names=toy.names,
        points478=points(n, 478, 3),
        blendshapes=np.zeros((n, 3)),
        blendshape_names=["a", "b", "c"],
        yaw_deg=np.zeros(n),
    )
    return path, lambda: read_teacher_set(folder)


def portraits(folder: Path, toy: ToySet) -> tuple[Path, Callable[[], object]]:
    folder.mkdir()
    n = len(toy.names)
    path = folder / "truth.npz"
    np.savez(
        path,
        version=1,
        names=toy.names,
        person=np.arange(n),
        kind=["neutral"] * n,
        unit=[""] * n,
        weight=np.zeros(n),
        expression_names=["a", "b"],
        expression=np.zeros((n, 2)),
        identity=np.zeros((n, 4)),
        pose_deg=np.zeros((n, 3)),
        gaze=np.zeros((n, 2, 3)),
        points68=points(n, 68, 2),
        points478=points(n, 5, 2),
        indices478=np.arange(5),
    )
    write_tar(folder / "portraits.tar", toy.names, toy.crops)
    return path, lambda: read_portrait_set(folder)


def predictions(folder: Path, toy: ToySet) -> tuple[Path, Callable[[], object]]:
    folder.mkdir()
    n = len(toy.names)
    path = folder / "theirs.npz"
    np.savez(
        path,
        source="theirs",
        names=toy.names,
        blendshapes=np.zeros((n, 3)),
        blendshape_names=["a", "b", "c"],
        points478=points(n, 5, 3),
        indices478=np.arange(5),
        points68=points(n, 68, 2),
        pose_deg=np.zeros((n, 3)),
    )

    def read() -> object:
        check_predictions(path)
        return read_predictions(path, toy.names)

    return path, read


def points(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 100, shape).astype(np.float32)


SETS = {f.__name__: f for f in (aflw2000, aflw, eyes, teacher, portraits, predictions)}
WRONG: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "a number": lambda a: np.array(3.0),
    "a text": lambda a: np.array("text"),
    "texts": lambda a: np.full(a.shape, "x"),
    "bytes": lambda a: np.full(a.shape, b"x"),
    "objects": lambda a: np.full(a.shape, None, object),
    "dates": lambda a: np.full(a.shape, 0, "datetime64[s]"),
    "complex numbers": lambda a: np.full(a.shape, 1j),
    "nothing": lambda a: np.zeros(0),
    "one less": lambda a: a[:-1] if a.ndim else np.zeros((2, 2)),
    "one dimension more": lambda a: a[..., None],
    "numbers in place of texts": lambda a: np.zeros(a.shape) if a.dtype.kind == "U" else a.astype("U"),
}


@pytest.mark.parametrize("name", SETS)
def test_a_set_with_arrays_of_other_shapes_or_types_is_one_line(toy_set, tmp_path, name):
    path, read = SETS[name](tmp_path / "set", toy_set)
    read()
    with np.load(path) as archive:
        whole = dict(archive)
    for key, array in whole.items():
        for wrong in (make(array) for make in WRONG.values()):
            if (wrong.dtype.kind, wrong.shape) != (array.dtype.kind, array.shape):
                np.savez(path, **{**whole, key: wrong})  # type: ignore[arg-type]
                refuses(read, None, "")
        np.savez(path, **{k: v for k, v in whole.items() if k != key})  # type: ignore[arg-type]
        optional = {"aflw2000": ("pts68_reannotated", "pitch_yaw_roll_deg"), "aflw": ("pts68",)}
        if key in optional.get(name, ()) or (
            name == "predictions" and key not in ("names", "blendshape_names")
        ):
            continue
        refuses(read, path, f"has no array {key!r}")


def test_points_without_their_numbers_are_all_of_the_scheme(toy_set, tmp_path):
    path, read = predictions(tmp_path / "set", toy_set)
    with np.load(path) as archive:
        whole = dict(archive)
    del whole["indices478"]
    np.savez(path, **whole)  # type: ignore[arg-type]
    refuses(read, path, "points478 in")
    np.savez(path, **{**whole, "points478": points(len(toy_set.names), 478, 2)})  # type: ignore[arg-type]
    read()


@pytest.mark.parametrize("name", ["no/number", "a.mp4/-1", "a.mp4/"])
def test_names_of_a_teacher_that_are_no_frames_are_told(toy_set, tmp_path, name):
    path, read = teacher(tmp_path / "set", toy_set)
    with np.load(path) as archive:
        whole = dict(archive)
    np.savez(path, **{**whole, "names": np.array([name] * len(toy_set.names))})  # type: ignore[arg-type]
    refuses(read, path, "such a name is clip.mp4/00012")


# ---- tables, lists, tar files


@pytest.mark.parametrize(
    "content",
    [
        b"name,yaw\na,one\n",
        b"name,yaw\na\n",
        b"name\na\n",
        b"",
        b"name,yaw\na,nan\n",
        b"\xff\xfen\x00a\x00",
        b'name,yaw\n"' + b"x" * 200_000 + b'",1\n',
        b"PK\x03\x04" + bytes(range(256)),
    ],
)
def test_a_damaged_table_is_one_line(tmp_path, content):
    path = tmp_path / "index.csv"
    path.write_bytes(content)
    if content:
        refuses(lambda: names_and_numbers(path, "yaw"), path, "")
    (tmp_path / "eyes.csv").write_bytes(content)
    refuses(lambda: read_eye_clips(tmp_path), tmp_path / "eyes.csv", "")


@pytest.mark.parametrize("row", ["a.mp4,-1,0.2,0.2", "a.mp4,0,nan,0.2", "a.mp4,1.5,0.2,0.2", "a.mp4,0,0.2"])
def test_frames_and_ratios_that_mean_nothing_are_told(tmp_path, row):
    (tmp_path / "eyes.csv").write_text(f"clip,frame,right,left\n{row}\n")
    refuses(lambda: read_eye_clips(tmp_path), tmp_path / "eyes.csv", "is not a table with the columns")


def test_files_in_place_of_folders_and_folders_in_place_of_files_are_told(tmp_path):
    (tmp_path / "AFLW_GT_crop").write_text("a file")
    (tmp_path / "AFLW_GT_crop.list").write_bytes(b"\xff\xfe")
    refuses(lambda: FolderImages(tmp_path / "AFLW_GT_crop"), tmp_path, "cannot read the folder")
    refuses(lambda: V2Folder(tmp_path).crops("AFLW_GT_crop"), tmp_path, "it is not UTF-8 text")
    (tmp_path / "AFLW_GT_crop.list").write_text("a.jpg")
    refuses(lambda: V2Folder(tmp_path).crops("AFLW_GT_crop"), tmp_path, "cannot read the folder")
    (tmp_path / "index.csv").mkdir()
    refuses(lambda: names_and_numbers(tmp_path / "index.csv", "yaw"), tmp_path, "cannot read")
    (tmp_path / "crops.tar").mkdir()
    refuses(lambda: TarImages(tmp_path / "crops.tar"), tmp_path, "is no whole uncompressed tar file")


def test_a_tar_file_with_any_byte_of_its_headers_changed_is_read_or_refused(toy_set, tmp_path):
    path = tmp_path / "crops.tar"
    write_tar(path, toy_set.names[:1], toy_set.crops[:1])
    whole = path.read_bytes()
    for at in range(0, 512, 3):
        for value in (0, 0x80, 0xFF, ord("S")):
            path.write_bytes(whole[:at] + bytes([value]) + whole[at + 1 :])
            with contextlib.suppress(DatasetError):
                TarImages(path)


# ---- the command


@pytest.mark.parametrize(("data", "message"), NO_ARCHIVES.values(), ids=NO_ARCHIVES)
def test_the_command_says_in_one_line_what_is_wrong_with_predictions(tmp_path, capsys, data, message):
    path = tmp_path / "theirs.npz"
    path.write_bytes(data)
    arguments = ["expressions", "--predictions", str(path), "--data", str(tmp_path / "new")]
    assert main(["eval", *arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"tddfa: error: {path} ")
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "new").exists()
