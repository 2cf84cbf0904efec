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
