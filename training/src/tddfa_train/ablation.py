"""What each part of the recipe of 3DDFA_V2 is worth: one part changed at a time, several seeds each."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tddfa.errors import InputError
from tddfa.files import atomic_write
from tddfa_train.data.augment import PhotometricConfig
from tddfa_train.loop.intervals import difference_interval, mean_interval
from tddfa_train.loop.manifest import code_version, data_record, recorded
from tddfa_train.loop.train import CHECKPOINT, train
from tddfa_train.parameters.recipe import ParameterRecipe, parameter_experiment
from tddfa_train.weights import load_weights

log = logging.getLogger(__name__)

_PROTOCOLS = ("original", "reannotated")
_PLAIN = PhotometricConfig(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class AblationRecipe:
    """A training and what is changed about it.

    Attributes:
        base: the reference; `loop.n_steps` is its budget in batches, the same for every arm.
        profiled: those of its folders that hold turned heads.
        seeds: of weights and batches; every arm runs once with each.
        arms: keys of `ARMS`; the first is the one that the others are compared with.
        video_share: of a batch, in the arm with short videos.
    """

    base: ParameterRecipe
    profiled: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0, 1, 2)
    arms: tuple[str, ...] = (
        "reference",
        "fwpdc",
        "vdc",
        "meta-joint",
        "without-landmarks",
        "without-profiling",
        "with-videos",
        "without-degradation",
    )
    video_share: float = 0.25


@dataclass(frozen=True, slots=True)
class Arm:
    """One change of the reference."""

    title: str
    change: Callable[[AblationRecipe], ParameterRecipe]


def _cost(name: Any) -> Callable[[AblationRecipe], ParameterRecipe]:
    def change(recipe: AblationRecipe) -> ParameterRecipe:
        base = replace(recipe.base, loss=replace(recipe.base.loss, cost=name))
        if name != "meta-joint":
            return base
        # A round shows look_ahead batches, to both branches, and judges by one more.
        group = base.loss.look_ahead + 1
        if base.loop.n_steps < group:
            raise InputError(
                f"{base.loop.n_steps} batches are less than one meta-joint round of {group}; set "
                f"base.loss.look_ahead to {base.loop.n_steps // 4} or less"
            )
        rounds = base.loop.n_steps // group
        every = {
            key: max(1, getattr(base.loop, key) // group)
            for key in ("warmup_steps", "log_every", "save_every", "evaluate_every")
        }
        return replace(base, loop=replace(base.loop, n_steps=rounds, **every))

    return change


def _without_landmarks(recipe: AblationRecipe) -> ParameterRecipe:
    return replace(recipe.base, loss=replace(recipe.base.loss, landmarks=False))


def _without_profiling(recipe: AblationRecipe) -> ParameterRecipe:
    data = recipe.base.data
    kept = [index for index, folder in enumerate(data.folders) if folder not in recipe.profiled]
    if len(kept) == len(data.folders) or not kept:
        raise InputError(
            f"'profiled' has to name some, not all, of the folders in base.data: {', '.join(data.folders)}"
        )
    weights = tuple(data.folder_weights[index] for index in kept) if data.folder_weights else ()
    folders = tuple(data.folders[index] for index in kept)
    return replace(recipe.base, data=replace(data, folders=folders, folder_weights=weights))


def _with_videos(recipe: AblationRecipe) -> ParameterRecipe:
    return replace(recipe.base, data=replace(recipe.base.data, video_share=recipe.video_share))


def _without_degradation(recipe: AblationRecipe) -> ParameterRecipe:
    return replace(recipe.base, data=replace(recipe.base.data, photometric=_PLAIN))


ARMS: Mapping[str, Arm] = {
    "reference": Arm("the reference", lambda recipe: recipe.base),
    "vdc": Arm("VDC alone", _cost("vdc")),
    "wpdc": Arm("WPDC alone", _cost("wpdc")),
    "fwpdc": Arm("fWPDC alone", _cost("fwpdc")),
    "vanilla-joint": Arm("vanilla joint", _cost("vanilla-joint")),
    "meta-joint": Arm("meta-joint", _cost("meta-joint")),
    "without-landmarks": Arm("without LRR", _without_landmarks),
    "without-profiling": Arm("without turned heads", _without_profiling),
    "with-videos": Arm("with short videos", _with_videos),
    "without-degradation": Arm("without colour, blur, noise, occluders", _without_degradation),
}
"""Name in configs → what it changes."""


def ablate(recipe: AblationRecipe, folder: Path, *, device: str = "cpu") -> dict[str, Any]:
    """Runs what has not run yet, and writes `ablation.json` and `ablation.md` after every run.

    Args:
        recipe: arms, seeds, budget.
        folder: receives a run folder for each arm and seed; started again, it goes on where it stopped.
        device: "cpu" or "cuda".

    Returns:
        The content of `ablation.json`.

    Raises:
        InputError: an arm does not exist or does not fit the data, or there is nothing to evaluate on.
    """
    unknown = [arm for arm in recipe.arms if arm not in ARMS]
    if unknown:
        raise InputError(f"no arm named {unknown[0]!r}; there are: {', '.join(ARMS)}")
    if recipe.base.evaluation is None:
        raise InputError("an ablation needs base.evaluation: crops and labels of AFLW2000-3D")
    variants = {arm: ARMS[arm].change(recipe) for arm in recipe.arms}
    runs: dict[str, list[dict[str, Any]]] = {arm: [] for arm in recipe.arms}
    record: dict[str, Any] = {}
    # Seed by seed, so that a stopped ablation has compared all arms with the seeds that it finished.
    for seed in recipe.seeds:
        for arm, variant in variants.items():
            runs[arm].append(_run(variant, seed, folder / f"{arm}-{seed}", device))
            record = _record(recipe, runs)
            atomic_write(folder / "ablation.json", (json.dumps(record, indent=2) + "\n").encode())
            atomic_write(folder / "ablation.md", table(record).encode())
    return record


def _run(recipe: ParameterRecipe, seed: int, folder: Path, device: str) -> dict[str, Any]:
    done = folder / "result.json"
    if done.exists():
        return json.loads(done.read_text(encoding="utf-8"))
    recipe = replace(recipe, seed=seed, data=replace(recipe.data, seed=seed))
    experiment = parameter_experiment(recipe)
    evaluate = experiment.evaluate
    assert evaluate is not None
    log.info("%s: %d steps", folder.name, experiment.loop.n_steps)
    with recorded(folder, recipe="parameters", config=recipe, data=recipe.data.folders):
        train(experiment.network, experiment.task, experiment.data, experiment.loop, folder, device=device)
    load_weights(experiment.network, folder / CHECKPOINT)
    found = evaluate(experiment.network.cpu().eval())
    result = {"seed": seed} | {key: found[key]["mean_of_bins"] for key in _PROTOCOLS}
    atomic_write(done, (json.dumps(result, indent=2) + "\n").encode())
    return result


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None  # JSON has no NaN


def _record(recipe: AblationRecipe, runs: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    base, reference = recipe.base, recipe.arms[0]
    arms: dict[str, Any] = {}
    for arm, results in runs.items():
        if not results:
            continue
        entry: dict[str, Any] = {"title": ARMS[arm].title, "runs": results}
        for key in _PROTOCOLS:
            values, others = [r[key] for r in results], [r[key] for r in runs[reference]]
            mean, half = mean_interval(values)
            shift, shift_half = difference_interval(values, others)
            entry[key] = {"mean": _number(mean), "half_width": _number(half)}
            if arm != reference:
                entry[key] |= {
                    "difference": _number(shift),
                    "difference_half_width": _number(shift_half),
                    "clear": bool(abs(shift) > shift_half),
                }
        arms[arm] = entry
    return {
        "protocol": "AFLW2000-3D, 68 points, official crops, mean of the three yaw bins, %",
        "trunk": base.trunk,
        "reference": {"cost": base.loss.cost, "landmarks": base.loss.landmarks},
        "batches": base.loop.n_steps,
        "batch_size": base.data.batch_size,
        "look_ahead": base.loss.look_ahead,
        "data": data_record(base.data.folders),
        "code": code_version(),
        "arms": arms,
    }


def table(record: Mapping[str, Any]) -> str:
    """The record as a Markdown table; differences that are within noise are marked."""
    crops = record["batches"] * record["batch_size"]
    lines = [
        f"NME on {record['protocol']}; trunk `{record['trunk']}`, {record['batches']} batches of "
        f"{record['batch_size']} ({crops:,} crops) a run, mean over seeds ± 95 % interval (t). "
        f"Reference: {record['reference']['cost']}"
        f"{', LRR' if record['reference']['landmarks'] else ''}. "
        "≈: within noise.",
        "",
        "| | seeds | original truth | against the reference | re-annotated truth | against the reference |",
        "|---|---|---|---|---|---|",
    ]
    for entry in record["arms"].values():
        cells = [entry["title"], str(len(entry["runs"]))]
        for key in _PROTOCOLS:
            part = entry[key]
            cells.append(_plus_minus(part["mean"], part["half_width"]))
            if "difference" not in part:
                cells.append("")
            else:
                mark = "" if part["clear"] else " ≈"
                cells.append(_plus_minus(part["difference"], part["difference_half_width"], sign=True) + mark)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _plus_minus(value: float | None, half: float | None, *, sign: bool = False) -> str:
    if value is None:
        return "not finite"
    text = f"{value:+.2f}" if sign else f"{value:.2f}"
    return text if half is None else f"{text} ± {half:.2f}"
