"""The record of a run: which data, which code, how long, part by part."""

import hashlib
import json
import os
import signal

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("tensorboard")

from tddfa_train import cli  # noqa: E402
from tddfa_train.loop import train as loop  # noqa: E402


def _train(write_config, run, **options):
    return cli.main(["train", "alignment", str(write_config("alignment", **options)), str(run)])


def _manifest(run):
    return json.loads((run / "manifest.json").read_text())


def test_a_stopped_and_resumed_run_has_a_part_for_each_start(write_config, tmp_path, monkeypatch):
    run = tmp_path / "run"
    step, n_steps = loop.plain_step, 0

    def interrupted(*args):
        nonlocal n_steps
        n_steps += 1
        if n_steps == 3:
            os.kill(os.getpid(), signal.SIGINT)  # Ctrl-C in the middle of the third step
        return step(*args)

    monkeypatch.setattr(loop, "plain_step", interrupted)
    assert _train(write_config, run, seed=5) == 130
    first = _manifest(run)
    assert (first["steps"], first["samples"], first["seed"]) == (3, 12, 5)
    assert [part["ended"] for part in first["parts"]] == ["KeyboardInterrupt"]

    assert _train(write_config, run, seed=5, loss={"depth": 0.7}) == 0
    whole = _manifest(run)
    assert (whole["steps"], whole["samples"]) == (6, 24)
    assert [(p["from_step"], p["to_step"], p["ended"]) for p in whole["parts"]] == [
        (0, 3, "KeyboardInterrupt"),
        (3, 6, "finished"),
    ]
    assert whole["hours"] == pytest.approx(sum(part["hours"] for part in whole["parts"]), abs=2e-4)
    assert whole["torch"] == torch.__version__
    # The record speaks of the last part; an earlier one keeps what was different then.
    assert whole["config"]["loss"]["depth"] == 0.7
    assert whole["parts"][0]["config"]["loss"]["depth"] == 0.3
    assert "data" not in whole["parts"][0]
    assert "config" not in whole["parts"][1]


def test_a_part_that_was_killed_has_what_it_did_once_the_run_goes_on(write_config, tmp_path, monkeypatch):
    run = tmp_path / "run"
    assert _train(write_config, run, loop={"n_steps": 3, "workers": 0, "threads": 1}) == 0
    record = _manifest(run)
    record["parts"][0] |= {"ended": None, "to_step": 0, "hours": 0.0}  # as the start of the part left it
    (run / "manifest.json").write_text(json.dumps(record))
    assert _train(write_config, run) == 0
    parts = _manifest(run)["parts"]
    assert [(part["from_step"], part["to_step"], part["ended"]) for part in parts] == [
        (0, 3, "killed"),
        (3, 6, "finished"),
    ]


def test_data_are_named_counted_and_hashed(write_config, drawn_faces, tmp_path):
    assert (
        cli.main(["train", "landmarks", str(write_config("landmarks")), str(tmp_path / "run"), "--smoke"])
        == 0
    )
    record = _manifest(tmp_path / "run")
    folder = drawn_faces / "faces"
    assert record["data"] == [
        {
            "name": "faces",
            "faces": 6,
            "labels_sha256": hashlib.sha256((folder / "labels.npz").read_bytes()).hexdigest(),
            "images_sha256": hashlib.sha256((folder / "images.npy").read_bytes()).hexdigest(),
        }
    ]
    assert record["parts"][0]["options"] == ["--smoke"]
    assert record["config"]["loop"]["n_steps"] == 4


@pytest.mark.parametrize(
    ("recipe", "options", "arguments", "line"),
    [
        ("landmarks", {}, [], "holds a run of the recipe alignment; train landmarks in another folder"),
        ("alignment", {"trunk": "dense"}, [], "holds a run of another network"),
        (
            "alignment",
            {"loop": {"n_steps": 9, "workers": 0, "optimizer": "muon"}},
            [],
            "holds a run with another optimizer than 'muon'",
        ),
        ("alignment", {}, ["--overfit"], "holds a run without --overfit, which teaches one batch alone"),
    ],
)
def test_a_start_that_is_refused_leaves_the_record_as_it_was(
    write_config, tmp_path, capsys, recipe, options, arguments, line
):
    run = tmp_path / "run"
    assert _train(write_config, run) == 0
    before = (run / "manifest.json").read_bytes()
    capsys.readouterr()
    config = write_config(recipe, **options)
    assert cli.main(["train", recipe, str(config), str(run), *arguments]) == 1
    error = capsys.readouterr().err
    assert line in error
    assert error.splitlines()[-1].startswith("tddfa-train: error: ")
    assert (run / "manifest.json").read_bytes() == before


def test_a_batch_by_heart_is_no_start_of_a_run(write_config, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cli, "_OVERFIT_STEPS", 2)
    config = str(write_config("alignment"))
    assert cli.main(["train", "alignment", config, str(tmp_path / "run"), "--overfit"]) == 0
    assert cli.main(["train", "alignment", config, str(tmp_path / "run")]) == 1
    assert "holds a run with --overfit" in capsys.readouterr().err


def test_a_run_says_how_far_it_came_and_that_nothing_is_left_to_do(write_config, tmp_path, capsys):
    run = tmp_path / "run"
    assert _train(write_config, run) == 0
    assert "run: step 6, 24 samples" in capsys.readouterr().out
    before = (run / "manifest.json").read_bytes()
    assert cli.main(["train", "alignment", str(write_config("alignment")), str(run), "--smoke"]) == 0
    assert "has 6 steps already, and 4 were to be taken" in capsys.readouterr().out
    assert (run / "manifest.json").read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"a text", b"half"])
def test_a_damaged_checkpoint_is_one_line(write_config, tmp_path, capsys, content):
    run = tmp_path / "run"
    assert _train(write_config, run) == 0
    last = run / "last.pt"
    last.write_bytes(last.read_bytes()[:5000] if content == b"half" else content)
    capsys.readouterr()
    assert _train(write_config, run) == 1
    error = capsys.readouterr().err
    assert "last.pt is damaged, or no checkpoint of a run" in error
    assert error.count("\n") == 1


def test_a_run_that_breaks_says_what_broke_it(write_config, tmp_path, monkeypatch):
    class Broken(Exception):  # noqa: N818
        pass

    def breaking(*args, **kwargs):
        raise Broken

    monkeypatch.setattr(loop, "train", breaking)
    with pytest.raises(Broken):
        _train(write_config, tmp_path / "run")
    record = _manifest(tmp_path / "run")
    assert (record["steps"], record["parts"][0]["ended"]) == (0, "Broken")
