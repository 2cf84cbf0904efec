"""Arguments of `tddfa-train` that cannot be meant are refused before anything is done."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from tddfa_train import cli


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["prepare", "photos", "out", "--side", "0"], "argument --side: '0' is not a whole number above 0"),
        (["backgrounds", "photos", "b.npy", "--side", "0"], "argument --side: '0' is not"),
        (["backgrounds", "photos", "b.npy", "--count", "0"], "argument --count: '0' is not"),
        (["turn", "set", "out", "--backgrounds", "b.npy", "--count", "-3"], "argument --count: '-3' is not"),
        (["render", "out", "--backgrounds", "b.npy", "--count", "0"], "argument --count: '0' is not"),
        (
            ["render", "out", "--backgrounds", "b.npy", "--seed", "-1"],
            "argument --seed: '-1' is not a whole number of at least 0",
        ),
        (
            ["train", "alignment", "c.json", "run", "--smoke", "--overfit"],
            "not allowed with argument --smoke",
        ),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments, line, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    assert line in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_device_that_is_not_there_is_one_line(capsys, tmp_path):
    assert cli.main(["train", "alignment", "c.json", str(tmp_path / "run"), "--device", "quantum"]) == 1
    error = capsys.readouterr().err
    assert "cannot use the device 'quantum' on this machine; train with --device cpu" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_trunk_is_of_alignment_networks(capsys, tmp_path):
    output = str(tmp_path / "d.onnx")
    assert cli.main(["export", "detector", "last.pt", output, "--trunk", "dense"]) == 1
    assert "--trunk is for alignment networks" in capsys.readouterr().err
