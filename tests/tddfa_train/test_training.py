"""The loop and the command line: they run, they learn, they resume."""

import json
from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("tensorboard")

from tddfa.errors import InputError  # noqa: E402
from tddfa.morphable import open_face_model  # noqa: E402
from tddfa_train import cli  # noqa: E402
from tddfa_train.alignment.recipe import (  # noqa: E402
    AlignmentRecipe,
    alignment_experiment,
    make_alignment_network,
)
from tddfa_train.data.batches import LandmarkBatches, LandmarkDataConfig  # noqa: E402
from tddfa_train.data.points import IBUG68_MIRROR  # noqa: E402
from tddfa_train.loop.config import from_mapping, read_config, to_json  # noqa: E402
from tddfa_train.loop.devices import on_device  # noqa: E402
from tddfa_train.loop.schedule import LoopConfig, learning_rate_at, n_threads  # noqa: E402
from tddfa_train.loop.train import train  # noqa: E402
from tddfa_train.weights import read_weights  # noqa: E402


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


def _teacher(tmp_path, model):
    """A checkpoint of an untrained network whose camera looks a little aside."""
    torch.manual_seed(3)
    network = make_alignment_network("dense-small", model)
    torch.nn.init.normal_(network.head.weight, std=0.02)
    torch.save({"average": network.state_dict()}, tmp_path / "teacher.pt")
    return network


def _taught(write_config, tmp_path, **distillation):
    """A teacher, the task of its student, a batch, and the student."""
    teacher = _teacher(tmp_path, open_face_model(level=0, crop="head"))
    config = write_config(
        "alignment",
        trunk="dense-small",
        teacher=str(tmp_path / "teacher.pt"),
        teacher_trunk="dense-small",
        distillation={"mirrored": False, **distillation},
    )
    experiment = alignment_experiment(read_config(AlignmentRecipe, config))
    batch = {key: torch.from_numpy(value) for key, value in experiment.data[0].items()}
    return teacher, experiment.task, batch, experiment.network.eval()


def test_a_student_that_equals_its_teacher_has_nothing_to_learn_from_it(write_config, tmp_path):
    teacher, task, batch, student = _taught(write_config, tmp_path)
    assert task.losses(student, batch)["surface"].item() > 0.01
    student.load_state_dict(teacher.state_dict())
    assert task.losses(student, batch)["surface"].item() == 0


def test_coefficients_and_doubts_of_a_teacher_are_learned_where_it_sees_a_face(write_config, tmp_path):
    teacher, task, batch, student = _taught(write_config, tmp_path, coefficients=0.3, log_odds=0.03)
    terms = task.losses(student, batch)
    assert terms["coefficients"].item() > 0.01
    assert terms["log-odds"].item() > 0
    assert task.losses(student, batch | {"is_face": 0 * batch["is_face"]})["coefficients"] == 0
    student.load_state_dict(teacher.state_dict())
    terms = task.losses(student, batch)
    assert terms["coefficients"].item() == terms["log-odds"].item() == 0
    # Beyond every doubt nothing is learned: both are as sure as one can be.
    with torch.no_grad():
        for network, sure in ((task.teacher, 12.0), (student, 15.0)):
            network.head.bias[-1] += sure
    assert task.losses(student, batch)["log-odds"].item() == 0


@pytest.mark.parametrize(
    ("trunk", "text"), [("dense", "batch norms"), ("dense-folded", "is not of a 'dense-folded' network")]
)
def test_weights_that_cannot_be_pruned_are_one_line(write_config, tmp_path, trunk, text):
    _teacher(tmp_path, open_face_model(level=0, crop="head"))
    config = write_config(
        "alignment", trunk="dense-light", start=str(tmp_path / "teacher.pt"), start_trunk=trunk
    )
    with pytest.raises(InputError, match=text):
        alignment_experiment(read_config(AlignmentRecipe, config))


def test_a_verifier_starts_from_a_larger_network(write_config):
    config = write_config("alignment", trunk="dense-light", start="open", start_trunk="dense-folded")
    network = alignment_experiment(read_config(AlignmentRecipe, config)).network
    assert torch.equal(network.head.weight, read_weights("open")["head.weight"])


def test_a_teacher_with_a_mirror_gives_mirrored_answers_to_mirrored_crops(write_config, tmp_path):
    model = open_face_model(level=0, crop="head")
    _teacher(tmp_path, model)
    config = write_config("alignment", teacher=str(tmp_path / "teacher.pt"), teacher_trunk="dense-small")
    task = alignment_experiment(read_config(AlignmentRecipe, config)).task
    crops = torch.randn(2, 3, 120, 120, generator=torch.Generator().manual_seed(0))
    straight, _, sure = task.answer(crops)
    mirrored, _, as_sure = task.answer(crops.flip(3))
    torch.testing.assert_close(sure, as_sure)
    twins = torch.from_numpy(IBUG68_MIRROR.astype(int))
    back = mirrored[:, :68][:, twins]
    back[..., 0] = 119 - back[..., 0]
    torch.testing.assert_close(back, straight[:, :68], atol=0.02, rtol=0)


def test_a_small_network_learns_from_a_teacher(write_config, tmp_path):
    _teacher(tmp_path, open_face_model(level=0, crop="head"))
    config = write_config(
        "alignment",
        trunk="dense-small",
        teacher=str(tmp_path / "teacher.pt"),
        teacher_trunk="dense-small",
        distillation={"labels": 0.0},
    )
    run = tmp_path / "run"
    assert cli.main(["train", "alignment", str(config), str(run), "--overfit"]) == 0
    rows = _rows(run)
    assert rows[-1]["surface"] < 0.4 * rows[0]["surface"]


def test_a_teacher_of_another_kind_is_named(write_config, tmp_path):
    torch.save({"average": {}}, tmp_path / "teacher.pt")
    config = write_config("alignment", teacher=str(tmp_path / "teacher.pt"))
    with pytest.raises(InputError, match="teacher_trunk"):
        alignment_experiment(read_config(AlignmentRecipe, config))


def test_a_task_goes_where_its_network_goes(write_config, tmp_path):
    _teacher(tmp_path, open_face_model(level=0, crop="head"))
    config = write_config("alignment", teacher=str(tmp_path / "teacher.pt"), teacher_trunk="dense-small")
    task = on_device(alignment_experiment(read_config(AlignmentRecipe, config)).task, "meta")
    modules = [task.teacher, task.points, task.labels.landmarks]
    tensors = [t for m in modules for t in (*m.parameters(), *m.buffers())]
    tensors += [task.mirror.identity_sign, task.mirror.expression_order]
    assert tensors
    assert {tensor.device.type for tensor in tensors} == {"meta"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": {"folders": ["nowhere"], "backgrounds": "b.npy"}}, "nowhere is no dataset folder"),
        ({"start": "nowhere.pt"}, "cannot read the weights nowhere.pt"),
        ({"trunk": "vgg"}, "no trunk named 'vgg'; there are: dense"),
        ({"evaluation": {"crops": "a.npy", "labels": "b.npz"}}, "cannot read the evaluation set a.npy"),
    ],
)
def test_what_is_missing_is_said_in_one_line(write_config, tmp_path, capsys, change, message):
    config = write_config("alignment", **change)
    assert cli.main(["train", "alignment", str(config), str(tmp_path / "run")]) == 1
    error = capsys.readouterr().err.strip()
    assert message in error
    assert len(error.splitlines()) == 1


def test_backgrounds_that_are_none_are_refused_with_what_they_should_be(drawn_faces, write_config, tmp_path):
    np.save(tmp_path / "small.npy", np.zeros((3, 60, 60, 3), np.uint8))
    for name, message in (("small.npy", "s at least 120"), ("missing.npy", "'tddfa-train backgrounds'")):
        config = LandmarkDataConfig((str(drawn_faces / "faces"),), str(tmp_path / name))
        with pytest.raises(InputError, match=message):
            LandmarkBatches(config, 1)


def test_a_run_is_not_continued_by_another_network(write_config, tmp_path, capsys):
    run = str(tmp_path / "run")
    assert cli.main(["train", "alignment", str(write_config("alignment")), run, "--smoke"]) == 0
    config = str(write_config("alignment", trunk="dense"))
    assert cli.main(["train", "alignment", config, run, "--smoke"]) == 1
    assert "holds a run of another network" in capsys.readouterr().err


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


def test_the_network_leaves_the_cores_of_the_workers_alone(monkeypatch):
    for cores, workers, threads in ((2, 1, 1), (8, 2, 6), (8, 0, 8), (1, 1, 1), (None, 1, 1)):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        assert n_threads(LoopConfig(n_steps=1, workers=workers)) == threads
    assert n_threads(LoopConfig(n_steps=1, threads=3)) == 3


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
