"""Commands write over no input and over no file of others; over their own they do."""

import errno
import json
import os

import numpy as np
import pytest

pytest.importorskip("torch")

from tddfa_train import cli
from tddfa_train.data.folder import write_face_folder
from tddfa_train.outputs import OUTPUTS

THEIRS = b"somebody's work"
# What each command is given, its output, and a file there that it would write.
COMMANDS = {
    "prepare": (["prepare", "photos", "out"], "out/sheet.jpg"),
    "prepare-mat": (["prepare-mat", "photos", "out"], "out/images.npy"),
    "relabel": (["relabel", "set", "out", "--checkpoint", "last.pt"], "out/labels.npz"),
    "turn": (["turn", "set", "out", "--backgrounds", "b.npy"], "out/labels.npz"),
    "render": (["render", "out", "--backgrounds", "b.npy"], "out/images.npy"),
    "backgrounds": (["backgrounds", "photos", "out.npy"], "out.npy"),
    "train": (["train", "detector", "config.json", "out"], "out/last.pt"),
    "person": (["person", "config.json", "--start", "last.pt", "-o", "out.safetensors"], "out.safetensors"),
    "place": (["place", "config.json", "--start", "last.pt", "-o", "out.safetensors"], "out.safetensors"),
    "ablate": (["ablate", "config.json", "out"], "out/ablation.md"),
    "card": (["card", "config.json", "out"], "out/worst_aflw2000.jpg"),
    "pack": (["pack", "config.json", "out"], "out/regressor.onnx"),
    "export": (["export", "detector", "last.pt", "out.onnx"], "out.onnx"),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for name in ("photos/a.jpg", "config.json", "last.pt", "b.npy"):
        (tmp_path / name).write_bytes(THEIRS)
    write_face_folder(
        tmp_path / "set",
        np.zeros((1, 160, 160, 3), np.uint8),
        {"landmarks68": np.zeros((1, 68, 3), np.float32)},
    )
    return tmp_path


def test_every_command_that_writes_anew_is_guarded():
    assert OUTPUTS.keys() == COMMANDS.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_file_of_others_stays_unless_asked(folder, name, capsys, monkeypatch):
    arguments, file = COMMANDS[name]
    path = folder / file
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(THEIRS)
    assert cli.main(arguments) == 1
    error = capsys.readouterr().err
    assert f"cannot write {file}: that file is there" in error
    assert "--overwrite" in error
    assert error.count("\n") == 1
    assert path.read_bytes() == THEIRS
    # Asked, the command begins; these inputs are none, so that it ends in a line of its own or an error.
    begun = []
    monkeypatch.setattr(cli, f"_{name.replace('-', '_')}", begun.append)
    assert cli.main([*arguments, "--overwrite"]) == 0
    assert begun


def test_the_model_card_is_guarded_under_both_names(folder, capsys):
    (folder / "out").mkdir()
    (folder / "out" / "card.md").write_bytes(THEIRS)
    for name in ("card", "model-card"):
        assert cli.main([name, "config.json", "out"]) == 1
        assert "cannot write out/card.md: that file is there" in capsys.readouterr().err
    assert (folder / "out" / "card.md").read_bytes() == THEIRS


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the folder could be written to")
@pytest.mark.parametrize("output", ["locked", "locked/out"])
def test_a_folder_that_may_not_be_written_to_is_told_before_photos_are_read(folder, capsys, output):
    (folder / "locked").mkdir(mode=0o555)
    assert cli.main(["prepare", "photos", output]) == 1
    assert capsys.readouterr().err.endswith(f"cannot write {output}: the folder may not be written to\n")


def test_what_the_system_refuses_is_one_line(folder, capsys, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device", "set/images.npy")

    monkeypatch.setattr(cli, "_render", full)
    assert cli.main(["render", "set", "--backgrounds", "b.npy"]) == 1
    error = capsys.readouterr().err
    assert error == "tddfa-train: error: cannot read or write set/images.npy: No space left on device\n"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["prepare", "photos", "photos"], "cannot write into photos: it is the input"),
        (["relabel", "set", "set", "--checkpoint", "last.pt"], "cannot write into set: it is the input"),
        (["turn", "set", "photos/../set", "--backgrounds", "b.npy"], "it is the input"),
        (["backgrounds", "photos", "photos/a.jpg"], "cannot write photos/a.jpg: it is an input"),
        (["export", "detector", "last.pt", "last.pt"], "cannot write last.pt: it is an input"),
        (["export", "detector", "last.pt", "link.pt"], "cannot write link.pt: it is an input"),
        (["export", "detector", "last.pt", "photos"], "it is a folder, and a file is needed"),
        (["person", "config.json", "--start", "last.pt", "-o", "last.pt"], "cannot write last.pt: it is an"),
        (["place", "config.json", "--start", "last.pt", "-o", "last.pt"], "cannot write last.pt: it is an"),
        (["pack", "config.json", "b.npy"], "it is a file, and a folder is needed"),
        (["backgrounds", "photos", "no/b.npy"], "cannot write no/b.npy: there is no folder no"),
        (["prepare", "photos", "photos/a.jpg/set"], "cannot write photos/a.jpg/set: a.jpg is a file"),
    ],
)
def test_an_input_stays_whatever_is_asked(folder, arguments, word, capsys):
    (folder / "link.pt").symlink_to("last.pt")
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert cli.main([*arguments, "--overwrite"]) == 1
    error = capsys.readouterr().err
    assert word in error
    assert error.count("\n") == 1
    assert before == {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    ("name", "file", "record"),
    [
        ("train", "manifest.json", {"recipe": "detector", "parts": []}),
        ("ablate", "ablation.json", {"arms": {}}),
        ("card", "card.json", {"packs": {}}),
        ("pack", "manifest.json", {"schema": "tddfa-pack/2", "files": {}}),
    ],
)
def test_what_a_former_run_made_is_written_again(folder, name, file, record, monkeypatch):
    arguments, other = COMMANDS[name]
    (folder / "out").mkdir()
    (folder / "out" / file).write_text(json.dumps(record))
    (folder / other).write_bytes(b"ours")
    begun = []
    monkeypatch.setattr(cli, f"_{name}", begun.append)
    assert cli.main(arguments) == 0
    assert begun


def test_a_dataset_folder_is_made_again(folder, monkeypatch):
    begun = []
    monkeypatch.setattr(cli, "_render", begun.append)
    assert cli.main(["render", "set", "--backgrounds", "b.npy"]) == 0
    assert begun
