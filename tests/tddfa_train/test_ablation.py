"""Ablations: which arms there are, what they change, and when a difference counts."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("tensorboard")
stats = pytest.importorskip("scipy.stats")

from tddfa_train import ablation, cli  # noqa: E402
from tddfa_train.ablation import ARMS, AblationRecipe  # noqa: E402
from tddfa_train.loop.config import from_mapping  # noqa: E402
from tddfa_train.loop.intervals import difference_interval, mean_interval  # noqa: E402


@pytest.fixture
def values(write_config, drawn_faces, tmp_path):
    """A config of three arms over the drawn faces, evaluated on noise."""
    rng = np.random.default_rng(0)
    np.save(tmp_path / "crops.npy", rng.integers(0, 255, (6, 120, 120, 3), dtype=np.uint8))
    points = rng.uniform(0, 120, (6, 3, 68))
    np.savez(
        tmp_path / "labels.npz",
        roi_box=np.tile([0, 0, 120, 120], (6, 1)),
        pts68=points,
        pts68_reannotated=points[:, :2],
        yaw_deg=np.array([0, 10, 40, 50, 70, 80]),
    )
    base = json.loads(write_config("parameters", loss={"look_ahead": 2}).read_text())
    base["evaluation"] = {"crops": str(tmp_path / "crops.npy"), "labels": str(tmp_path / "labels.npz")}
    return {"base": base, "seeds": [0, 1], "arms": ["reference", "meta-joint", "without-landmarks"]}


def _run(values, tmp_path):
    (tmp_path / "ablation.json").write_text(json.dumps(values))
    return cli.main(["ablate", str(tmp_path / "ablation.json"), str(tmp_path / "out")])


def test_an_ablation_runs_all_arms_with_all_seeds_and_goes_on_where_it_stopped(
    values, tmp_path, monkeypatch, capsys
):
    started = []
    whole = ablation.train

    def stopping(*args, **kwargs):
        started.append(args[4].name)
        if len(started) == 2:
            raise KeyboardInterrupt
        return whole(*args, **kwargs)

    monkeypatch.setattr(ablation, "train", stopping)
    assert _run(values, tmp_path) == 130
    assert len(json.loads((tmp_path / "out" / "ablation.json").read_text())["arms"]) == 1
    assert _run(values, tmp_path) == 0
    assert started == [
        "reference-0",
        "meta-joint-0",
        "meta-joint-0",
        "without-landmarks-0",
        "reference-1",
        "meta-joint-1",
        "without-landmarks-1",
    ]
    record = json.loads((tmp_path / "out" / "ablation.json").read_text())
    for arm in record["arms"].values():
        assert [run["seed"] for run in arm["runs"]] == [0, 1]
        scores = [run["original"] for run in arm["runs"]]
        assert arm["original"]["mean"] == pytest.approx(np.mean(scores))
    manifest = json.loads((tmp_path / "out" / "meta-joint-1" / "manifest.json").read_text())
    assert manifest["steps"] == 2  # rounds of two batches and one to judge by: six batches, as all arms
    assert manifest["samples"] == 6 * 4
    assert manifest["seed"] == manifest["config"]["data"]["seed"] == 1
    shown = capsys.readouterr().out
    assert shown.strip() == (tmp_path / "out" / "ablation.md").read_text().strip()
    assert shown.count("| 2 |") == 3


def test_each_arm_changes_what_it_says_and_nothing_else(values):
    values["base"]["data"] |= {"folders": ["photos", "turned"], "folder_weights": [1, 0.5]}
    recipe = from_mapping(AblationRecipe, values | {"profiled": ["turned"]})
    base = recipe.base
    changed = {name: arm.change(recipe) for name, arm in ARMS.items()}
    assert changed["reference"] == base
    assert changed["fwpdc"].loss.cost == "fwpdc"
    assert not changed["without-landmarks"].loss.landmarks
    assert changed["without-profiling"].data.folders == ("photos",)
    assert changed["without-profiling"].data.folder_weights == (1,)
    assert changed["with-videos"].data.video_share == 0.25
    assert set(vars_of(changed["without-degradation"].data.photometric)) == {0.0}
    for name, variant in changed.items():
        same = {"loss": "cost" in name or name.endswith(("dc", "joint", "landmarks"))}
        if not same["loss"]:
            assert variant.loss == base.loss, name
        if name.endswith(("dc", "joint", "landmarks")):
            assert variant.data == base.data, name


def vars_of(config):
    return [getattr(config, name) for name in type(config).__dataclass_fields__]


def test_intervals_are_those_of_the_t_tests_that_scipy_knows():
    rng = np.random.default_rng(1)
    first, second = rng.normal(4, 0.1, 4), rng.normal(3.8, 0.5, 3)
    mean, half = mean_interval(first)
    low, high = stats.ttest_1samp(first, 0).confidence_interval(0.95)
    assert (mean - half, mean + half) == (pytest.approx(low), pytest.approx(high))
    shift, half = difference_interval(first, second)
    low, high = stats.ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    assert (shift - half, shift + half) == (pytest.approx(low), pytest.approx(high))


def test_a_difference_within_noise_is_marked_and_one_seed_claims_nothing(values):
    recipe = from_mapping(AblationRecipe, values)

    def said(reference, other):
        runs = {
            arm: [{"seed": n, "original": v, "reannotated": v} for n, v in enumerate(scores)]
            for arm, scores in (("reference", reference), ("meta-joint", other), ("without-landmarks", []))
        }
        record = ablation._record(recipe, runs)
        return record["arms"]["meta-joint"]["original"]["clear"], ablation.table(record)

    clear, text = said([4.0, 4.1, 3.9], [5.0, 5.1, 4.9])
    assert clear
    assert "+1.00 ± " in text
    assert "≈ |" not in text
    clear, text = said([4.0, 4.1, 3.9], [4.1, 4.0, 3.95])
    assert not clear
    assert "≈ |" in text
    clear, text = said([4.0], [9.0])
    assert not clear


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arms": ["reference", "focal"]}, "no arm named 'focal'"),
        ({"arms": ["reference", "without-profiling"]}, "'profiled' has to name"),
    ],
)
def test_an_arm_that_does_not_exist_or_fit_is_refused_before_anything_runs(
    values, tmp_path, capsys, change, message
):
    assert _run(values | change, tmp_path) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_budget_below_one_meta_joint_round_is_refused(values, tmp_path, capsys):
    values["base"]["loss"]["look_ahead"] = 100
    assert _run(values, tmp_path) == 1
    assert "less than one meta-joint round" in capsys.readouterr().err
