"""Results → docs/benchmarks.md and its plots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import plots
from benchmarks.comparison import comparison
from benchmarks.tables import DETECTOR, GROUND_TRUTH, TITLES, ms, or_dash, ratio, read_results, table

_TRACKED = (
    "switches",
    "false_tracks",
    "lost_after",
    "found_after",
    "ids_per_person",
    "people_per_id",
    "error_at_cuts",
    "error_elsewhere",
)
"""See docs/evaluation.md."""


def write_report(results: Path, docs: Path) -> None:
    """Write benchmarks.md and its plots from speed.json and accuracy.json, where they are there."""
    accuracy, speed = read_results(results)
    if speed is None and accuracy is None:
        raise SystemExit(f"no results in {results}; make them with 'python -m benchmarks all --data DIR'")
    images = docs / "images"
    images.mkdir(parents=True, exist_ok=True)
    lines = [
        "# Benchmarks",
        "",
        "Written by `python -m benchmarks report` from the files in `benchmarks/results`; do not edit. How "
        "to measure: [benchmarks/README.md](../benchmarks/README.md).",
        "",
    ]
    if accuracy is not None and speed is not None:
        plots.accuracy_against_speed(accuracy, speed, images / "accuracy_speed.png")
        lines += comparison(accuracy, speed)
    if accuracy is not None:
        lines += _accuracy(accuracy)
    if speed is not None:
        plots.stages(speed, TITLES, images / "stages.png")
        plots.growth(speed, images / "growth.png")
        lines += _speed(speed)
    (docs / "benchmarks.md").write_text("\n".join(lines), encoding="utf-8")
    print(f"wrote {docs / 'benchmarks.md'}")


def _source(result: dict[str, Any], name: str) -> str:
    machine = result["machine"]
    return (
        f"`benchmarks/results/{name}.json`: {result['measured']} UTC, commit {result['commit']}, "
        f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}."
    )


# Accuracy


def _earlier(result: dict[str, Any]) -> list[str]:
    """Return a line on the records that a run has taken from earlier ones."""
    runs = [
        record["run"]
        for records in result["packs"].values()
        for record in records.values()
        if "run" in record
    ]
    commits = sorted({run["commit"] or "" for run in runs} - {result["commit"] or ""})
    return [f"Some records were taken from earlier runs, of commit {', '.join(commits)}."] if commits else []


def _accuracy(result: dict[str, Any]) -> list[str]:
    lines = ["## Accuracy", "", _source(result, "accuracy"), *_earlier(result), ""]
    lines += ["Protocols: [evaluation.md](evaluation.md). Lower is better everywhere but for AUC.", ""]
    lines += _landmarks(result, GROUND_TRUTH, "AFLW2000-3D, 68 landmarks, official crops, NME in %")
    lines += _landmarks(
        result, DETECTOR, "AFLW2000-3D, 68 landmarks, crops by the pack's own detector, NME in %"
    )
    rows: list[list[str]] = []
    for pack, records in result["packs"].items():
        pose = records.get(GROUND_TRUTH, {}).get("pose")
        if pose is not None:
            low, high = pose["interval"]
            cells = [f"{pose['mae']:.2f} [{low:.2f}, {high:.2f}]"]
            rows.append([pack, *cells, *(f"{pose[k]:.2f}" for k in ("yaw", "pitch", "roll", "geodesic"))])
    if rows:
        lines += ["### Head pose, degrees", ""]
        lines += table(["pack", "MAE [95 %]", "yaw", "pitch", "roll", "geodesic"], rows)
    rows = []
    for pack, records in result["packs"].items():
        for key, record in records.items():
            if not key.startswith("stability/synthetic/1"):
                continue
            low, high = record["interval"]
            rows.append(
                [
                    pack,
                    record["smoothing"],
                    f"{record['mean']:.3f} [{low:.3f}, {high:.3f}]",
                    f"{record['still']:.3f}",
                    f"{record['moving']:.3f}",
                    or_dash(record["lag_frames"], ".2f"),
                    or_dash(record["overshoot_percent"], ".1f"),
                ]
            )
    if rows:
        lines += ["### Stability on synthetic sequences", ""]
        head = ["pack", "smoothing", "% of the face per frame [95 %]", "still", "moving", "lag, frames"]
        lines += table([*head, "overshoot, %"], rows)
    rows = [
        [pack, f"{record['recall']:.1f}", *(_count_or_mean(record[k]) for k in _TRACKED)]
        for pack, records in result["packs"].items()
        for key, record in records.items()
        if key.startswith("tracking/synthetic/2")
    ]
    if rows:
        lines += ["### Following people in rendered scenes", ""]
        lines += table(["pack", "recall, %", *(k.replace("_", " ") for k in _TRACKED)], rows)
    rows = []
    for pack, records in result["packs"].items():
        record = records.get("eyes/crops/1")
        if record is not None:
            best = (record.get("closed_below") or {}).get("best_on_this_set") or {}
            rows.append(
                [
                    pack,
                    or_dash(record["auc"], ".3f"),
                    or_dash(record["correlation"], ".3f"),
                    f"{record['mean_absolute_error']:.3f}",
                    or_dash(best.get("f1"), ".3f"),
                ]
            )
    if rows:
        lines += ["### Closed eyes beside MediaPipe", ""]
        lines += table(["pack", "AUC", "correlation", "error of the ratio", "best F1 of closed"], rows)
    return lines


def _landmarks(result: dict[str, Any], protocol: str, title: str) -> list[str]:
    rows: list[list[str]] = []
    note: list[str] = []
    for pack, records in result["packs"].items():
        record = records.get(protocol)
        if record is None:
            continue
        for truth, mean in record["truths"].items():
            low, high = mean["interval"]
            bins = [or_dash(value, ".3f") for value in mean["bins"].values()]
            headline = f"**{or_dash(mean['mean_of_bins'], '.3f')}** [{low:.3f}, {high:.3f}]"
            rows.append([pack, truth, *bins, headline, f"{mean['mean']:.3f}"])
        counts = " / ".join(str(n) for n in record["counts"].values())
        detected = record.get("detected")
        if detected is not None:
            same = record.get("same_faces_ground_truth_crops") or {}
            note.append(
                f"{pack}: {detected['found']} of {detected['of']} faces detected; the same faces from "
                f"official crops: {or_dash(same.get('mean_of_bins'), '.3f')}."
            )
        else:
            note = [f"{record['data']}: {record['count']} faces, by bin {counts}."]
    if not rows:
        return []
    head = ["pack", "truth", "0–30°", "30–60°", "60–90°", "mean of bins [95 %]", "mean"]
    return [f"### {title}", "", *table(head, rows), " ".join(note), ""]


# Speed


def _speed(result: dict[str, Any]) -> list[str]:
    names = list(result["programs"])
    load = result["load"]
    lines = [
        "## Speed",
        "",
        _source(result, "speed"),
        f"Load average {load['before']} before and {load['after']} after. Every program had its turn in "
        f"each of {result['rounds']} rounds; medians, in brackets the 10th and 90th percentile. × "
        "compares with the faster path of 3DDFA_V2 in the same run; below ×1 we are slower.",
        "",
        "### Stages, one thread, ms",
        "",
        *_stage_table(result["stages"]["1"], names),
        "![Stages](images/stages.png)",
        "",
        "### Two threads, ms",
        "",
        *_stage_table(result["stages"]["2"], [n for n in names if n != "mediapipe"]),
    ]
    if result["commands"]:
        lines += ["### Whole commands from a cold start, s (and peak memory, MB), one thread", ""]
        lines += _command_table(result["commands"], names)
    lines += [
        "### Growing work",
        "",
        "![Growing work](images/growth.png)",
        "",
        *_growth_table(result["growth"], names),
        "### Peak memory of a process that has run every stage, MB",
        "",
        *table(list(result["peak_mb"]), [[f"{mb:.0f}" for mb in result["peak_mb"].values()]]),
        "### Versions",
        "",
        *table(
            ["program", "versions"],
            [
                [name, ", ".join(f"{k} {v}" for k, v in about.items() if k != "level_triangles")]
                for name, about in result["programs"].items()
            ],
        ),
    ]
    if result["errors"]:
        lines += ["Not measured:", "", *(f"- {what}: {why}" for what, why in result["errors"].items()), ""]
    return lines


def _stage_table(stages: dict[str, Any], names: Sequence[str]) -> list[str]:
    rows = [
        [
            TITLES[stage],
            *(_cell(name, stages[stage]) for name in names),
        ]
        for stage in TITLES
        if stage in stages
    ]
    return table(["stage", *names], rows)


def _cell(name: str, programs: dict[str, Any]) -> str:
    if name not in programs:
        return ""
    s = programs[name]
    text = f"{ms(s['median'])} [{ms(s['p10'])}, {ms(s['p90'])}]"
    faster = ratio(name, {other: v["median"] for other, v in programs.items()})
    return text if faster is None else f"{text} **×{_factor(faster)}**"


def _factor(value: float) -> str:
    """Return how many times faster, with two digits."""
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def _growth_table(growth: dict[str, Any], names: Sequence[str]) -> list[str]:
    """Faces and sizes at which programs are compared, ms."""
    titles = {
        "faces": "faces in given boxes: {}",
        "align_sized": "photo, {} px high",
    }
    rows: list[list[str]] = []
    for stage, title in titles.items():
        curves = growth.get(stage, {})
        for size in sorted({int(size) for curve in curves.values() for size in curve}):
            at = {name: curve[str(size)] for name, curve in curves.items() if str(size) in curve}
            rows.append([title.format(size), *(_cell(name, at) for name in names)])
    return table(["work, ms", *names], rows) if rows else []


def _command_table(commands: dict[str, Any], names: Sequence[str]) -> list[str]:
    names = [n for n in names if any(n in programs for programs in commands.values())]
    rows: list[list[str]] = []
    for task, programs in commands.items():
        done = {name: p for name, p in programs.items() if "s" in p}
        medians = {name: p["s"]["median"] for name, p in done.items()}
        row = [task]
        for name in names:
            if name not in done:
                row.append("fails" if name in programs else "")
                continue
            text = f"{done[name]['s']['median']:.2f} ({done[name]['peak_mb']})"
            faster = ratio(name, medians)
            row.append(text if faster is None else f"{text} **×{_factor(faster)}**")
        rows.append(row)
    for kind in ("3d", "2d_sparse"):
        rates = [_frame_rate(commands, kind, name) for name in names]
        rows += [[f"video {kind}, frames a second once it runs", *rates]] if any(rates) else []
    return table(["command", *names], rows)


def _count_or_mean(value: float | None) -> str:
    return str(value) if isinstance(value, int) else or_dash(value, ".2f")


def _frame_rate(commands: dict[str, Any], kind: str, name: str) -> str:
    """From the difference of two clips, so that the start does not count; empty without two clips."""
    seconds: dict[int, float] = {}
    for task, programs in commands.items():
        if task.startswith(f"video {kind}, ") and "s" in programs.get(name, {}):
            seconds[int(task.removeprefix(f"video {kind}, ").split()[0])] = programs[name]["s"]["median"]
    if len(seconds) < 2:
        return ""
    short, long = sorted(seconds)[:2]
    return (
        f"{(long - short) / (seconds[long] - seconds[short]):.1f}" if seconds[long] > seconds[short] else "–"
    )
