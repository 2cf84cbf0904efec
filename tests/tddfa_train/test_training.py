"""The loop and the command line: they run, they learn, they resume."""

import json
from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("tensorboard")

from tddfa.errors import InputError  # noqa: E402
from tddfa_train import cli  # noqa: E402
from tddfa_train.config import from_mapping, read_config, to_json  # noqa: E402
from tddfa_train.data.batches import LandmarkBatches, LandmarkDataConfig  # noqa: E402
from tddfa_train.recipes import AlignmentRecipe, alignment_experiment  # noqa: E402
from tddfa_train.train import LoopConfig, learning_rate_at, train  # noqa: E402


def _rows(run):
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("recipe", ["landmarks", "alignment", "parameters", "detector"])
def test_every_recipe_runs_from_the_command_line_and_leaves_its_record(recipe, write_config, tmp_path):
    run = tmp_path / "run"
    assert cli.main(["train", recipe, str(write_config(recipe)), str(run), "--smoke"]) == 0
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["recipe"] == recipe
    assert manifest["steps"] == 4
    assert manifest["samples"] > 0
    assert manifest["data"][0]["faces"] == 6
    first_term = {"parameters": "main", "detector": "score"}.get(recipe, "points")
    assert all(np.isfinite(row[first_term]) for row in _rows(run))
    assert list((run / "events").iterdir()), "TensorBoard has nothing to read"


def test_one_batch_can_be_learnt_by_heart(write_config, tmp_path):
    run = tmp_path / "run"
    config = write_config("alignment")
    assert cli.main(["train", "alignment", str(config), str(run), "--overfit"]) == 0
    rows = _rows(run)
    assert rows[-1]["points"] < 0.25 * rows[0]["points"]


@pytest.mark.parametrize("cost", ["vdc", "fwpdc", "vanilla-joint"])
def test_every_cost_of_the_published_recipe_learns_one_batch(cost, write_config, tmp_path):
    run = tmp_path / "run"
    config = write_config("parameters", loss={"cost": cost})
    assert cli.main(["train", "parameters", str(config), str(run), "--overfit"]) == 0
    rows = _rows(run)
    assert rows[-1]["main"] < 0.5 * rows[0]["main"]


def test_meta_joint_rounds_run_from_a_config(write_config, tmp_path):
    run = tmp_path / "run"
    config = write_config("parameters", loss={"cost": "meta-joint", "look_ahead": 2})
    assert cli.main(["train", "parameters", str(config), str(run), "--smoke"]) == 0
    assert {row["branch"] for row in _rows(run)} <= {0.0, 1.0}
    assert (
        json.loads((run / "manifest.json").read_text())["samples"] == 4 * 3 * 4
    )  # rounds, batches, pictures


def test_a_detector_trains_without_a_box_rule_and_a_broken_one_is_refused(write_config, tmp_path, capsys):
    config = json.loads(write_config("detector").read_text())
    rule = config.pop("box_rule")
    path = tmp_path / "plain.json"
    path.write_text(json.dumps(config))
    assert cli.main(["train", "detector", str(path), str(tmp_path / "run"), "--smoke"]) == 0
    path.write_text(json.dumps(config | {"box_rule": rule + ".missing"}))
    assert cli.main(["train", "detector", str(path), str(tmp_path / "other"), "--smoke"]) == 1
    assert "cannot read the box rule" in capsys.readouterr().err


class _StoppedError(Exception):
    pass


def test_a_stopped_run_goes_on_as_if_it_had_never_stopped(write_config, tmp_path):
    recipe = read_config(AlignmentRecipe, write_config("alignment"))

    def run(folder, evaluate):
        experiment = alignment_experiment(recipe)
        loop = LoopConfig(
            n_steps=6, warmup_steps=2, workers=0, threads=1, save_every=3, evaluate_every=3, log_every=3
        )
        train(experiment.network, experiment.task, experiment.data, loop, folder, evaluate=evaluate)
        return experiment.network.state_dict()

    def stop(network):
        raise _StoppedError

    whole = run(tmp_path / "whole", lambda network: {})
    with pytest.raises(_StoppedError):
        run(tmp_path / "parts", stop)
    parts = run(tmp_path / "parts", lambda network: {})
    for key, value in whole.items():
        torch.testing.assert_close(parts[key], value, rtol=0, atol=0, msg=key)


def test_the_averaged_weights_not_the_last_ones_are_evaluated(write_config, tmp_path):
    recipe = read_config(AlignmentRecipe, write_config("alignment"))
    experiment = alignment_experiment(recipe)
    seen = []
    loop = LoopConfig(n_steps=3, workers=0, threads=1, evaluate_every=3)
    train(
        experiment.network,
        experiment.task,
        experiment.data,
        loop,
        tmp_path / "run",
        evaluate=lambda network: seen.append({k: v.clone() for k, v in network.state_dict().items()}) or {},
    )
    saved = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    torch.testing.assert_close(seen[0]["head.weight"], saved["average"]["head.weight"])
    assert not torch.equal(seen[0]["head.weight"], saved["network"]["head.weight"])
    torch.testing.assert_close(experiment.network.head.weight.detach(), saved["network"]["head.weight"])


def test_the_learning_rate_warms_up_and_ends_at_its_final_share():
    loop = LoopConfig(n_steps=100, learning_rate=1.0, warmup_steps=10, final_share=0.02)
    rates = [learning_rate_at(step, loop) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == pytest.approx(1.0)
    assert rates[100] == pytest.approx(0.02)
    assert all(a >= b for a, b in pairwise(rates[10:]))


def test_a_batch_depends_on_seed_and_step_alone(drawn_faces):
    config = LandmarkDataConfig(
        (str(drawn_faces / "faces"),), str(drawn_faces / "backgrounds.npy"), batch_size=4, held_out_every=0
    )
    first, second = LandmarkBatches(config, 10), LandmarkBatches(config, 10)
    second[7]
    for key, value in first[3].items():
        np.testing.assert_array_equal(value, second[3][key])
    assert not np.array_equal(first[3]["crop"], first[4]["crop"])


def test_held_out_faces_never_train(drawn_faces):
    folders = (str(drawn_faces / "faces"),)
    config = LandmarkDataConfig(folders, str(drawn_faces / "backgrounds.npy"), held_out_every=3)
    training = LandmarkBatches(config, 1).probability
    held_out = LandmarkBatches(config, 1, held_out=True).probability
    assert ((training > 0) ^ (held_out > 0)).all()
    assert (held_out > 0).tolist() == [True, False, False, True, False, False]


def test_a_config_survives_its_json(write_config):
    recipe = read_config(AlignmentRecipe, write_config("alignment", seed=5))
    assert from_mapping(AlignmentRecipe, json.loads(to_json(recipe))) == recipe
    assert isinstance(recipe.data.folders, tuple)


def test_a_misspelt_option_is_named_with_the_options_there_are(write_config, capsys, tmp_path):
    config = write_config("alignment", sead=1)
    with pytest.raises(InputError, match="sead"):
        read_config(AlignmentRecipe, config)
    assert cli.main(["train", "alignment", str(config), str(tmp_path / "run")]) == 1
    error = capsys.readouterr().err
    assert "no option 'sead'" in error
    assert "seed" in error
    assert len(error.strip().splitlines()) == 1
