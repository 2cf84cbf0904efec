"""Plots of results, with one colour per program everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator

_OURS = ("#1868b7", "#35a085", "#7b4fb5", "#5c9ee0", "#8fcf9c")
_OTHERS = {"3ddfa_v2 torch": "#9a3b2f", "3ddfa_v2 onnx": "#e08a4f", "mediapipe": "#8a8a8a"}

_GROWTH = {
    "faces": ("faces in an image", "ms to 68 landmarks"),
    "faces_drawn": ("faces in an image", "ms to the drawn meshes"),
    "detect_sized": ("height of the image, px (16:9)", "ms to detect"),
    "draw_sized": ("height of the image, px (16:9)", "ms to draw one mesh"),
    "triangles": ("triangles", "ms to rasterise"),
    "frames": ("frames of a 1280×720 clip", "s, whole command"),
}


def _colors(names: list[str]) -> dict[str, str]:
    ours = iter(_OURS * (1 + len(names) // len(_OURS)))
    return {name: _OTHERS[name] if name in _OTHERS else next(ours) for name in names}


def stages(result: dict[str, Any], titles: Mapping[str, str], path: Path) -> None:
    """Bars of every stage that more than one program has, one thread."""
    names = list(result["programs"])
    shown = {k: v for k, v in result["stages"]["1"].items() if len(v) > 1}
    colors = _colors(names)
    figure, axes = plt.subplots(figsize=(9, 0.28 * sum(map(len, shown.values())) + 1.2))
    place, ticks = 0.0, []
    for stage, programs in shown.items():
        there = [n for n in names if n in programs]
        ticks.append((place + (len(there) - 1) / 2, titles[stage]))
        for name in there:
            s = programs[name]
            error = [[s["median"] - min(s["p10"], s["median"])], [max(s["p90"], s["median"]) - s["median"]]]
            axes.barh(
                place, s["median"], 0.85, color=colors[name], xerr=error, ecolor="#333", error_kw={"lw": 0.8}
            )
            axes.text(max(s["p90"], s["median"]) * 1.06, place, f"{s['median']:.3g}", va="center", fontsize=7)
            place += 1
        place += 0.7
    axes.set_yticks([t for t, _ in ticks], [label for _, label in ticks], fontsize=8)
    axes.set_xscale("log")
    axes.set_ylim(place - 0.5, -1)
    _plain_numbers(axes.xaxis)
    axes.set_xlabel("ms, one thread (median; whiskers: 10th and 90th percentile)")
    handles = [plt.Rectangle((0, 0), 1, 1, color=colors[n]) for n in names]
    axes.legend(
        handles, names, loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=4, frameon=False, fontsize=8
    )
    _save(figure, path)


def growth(result: dict[str, Any], path: Path) -> None:
    """Curves of growing work, with logarithmic axes: a slope of 1 is proportional."""
    curves = _curves(result)
    colors = _colors(list(result["programs"]))
    shown = [k for k in _GROWTH if curves.get(k)]
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    figure, grid = plt.subplots(rows, columns, figsize=(3.7 * columns, 3.1 * rows), squeeze=False)
    for axes, stage in zip(grid.flat, shown, strict=False):
        across, up = _GROWTH[stage]
        for name, points in curves[stage].items():
            x, y = zip(*sorted(points.items()), strict=True)
            axes.plot(x, y, "o-", color=colors[name], label=name, markersize=3.5, linewidth=1.3)
        axes.set_xscale("log")
        axes.set_yscale("log")
        ticks = sorted({x for points in curves[stage].values() for x in points})
        axes.set_xticks(ticks, [f"{t:.0f}" for t in ticks], fontsize=7)
        axes.minorticks_off()
        _plain_numbers(axes.yaxis)
        axes.set_xlabel(across, fontsize=8)
        axes.set_ylabel(up, fontsize=8)
        axes.grid(alpha=0.25)
    for axes in grid.flat[len(shown) :]:
        axes.set_axis_off()
    found = {
        label: line for a in grid.flat for line, label in zip(*a.get_legend_handles_labels(), strict=True)
    }
    figure.legend(found.values(), found.keys(), loc="upper center", ncols=5, frameon=False, fontsize=8)
    figure.tight_layout(rect=(0, 0, 1, 0.95))
    _save(figure, path)


def accuracy_against_speed(accuracy: dict[str, Any], speed: dict[str, Any], path: Path) -> None:
    """Each pack's headline NME against the time of its network, with the interval."""
    times = speed["stages"]["1"].get("track", {})
    names = [n for n in accuracy["packs"] if n in times]
    colors = _colors(list(speed["programs"]))
    figure, grid = plt.subplots(1, 2, figsize=(9, 3.8))
    for axes, truth in zip(grid, ("original", "reannotated"), strict=True):
        for name in names:
            record = accuracy["packs"][name].get("aflw2000-3d-68/ground-truth/1", {})
            mean = record.get("truths", {}).get(truth)
            if mean is None or mean["mean_of_bins"] is None:
                continue
            x, y = times[name]["median"], mean["mean_of_bins"]
            low, high = mean["interval"]
            axes.errorbar(x, y, [[y - low], [high - y]], fmt="o", color=colors[name], capsize=3)
            axes.annotate(name, (x, y), xytext=(6, 5), textcoords="offset points", fontsize=8)
        if "mediapipe" in times:
            # Its points are others: it has a place on the axis of time alone.
            x = times["mediapipe"]["median"]
            axes.axvline(x, color=_OTHERS["mediapipe"], linestyle="--", linewidth=1)
            axes.annotate(
                "MediaPipe\n(other points)",
                (x, 0.03),
                xycoords=("data", "axes fraction"),
                xytext=(-4, 0),
                textcoords="offset points",
                ha="right",
                fontsize=7,
                color=_OTHERS["mediapipe"],
            )
        axes.set_title(f"AFLW2000-3D, {truth} truth", fontsize=9)
        axes.set_xlabel("ms for the next frame of a clip, one face, one thread", fontsize=8)
        axes.set_ylabel("NME 68, mean of bins, %", fontsize=8)
        axes.margins(y=0.25)
        axes.set_xlim(
            0, 1.3 * max((t["median"] for n, t in times.items() if not n.startswith("3ddfa_v2 ")), default=1)
        )
        axes.grid(alpha=0.25)
    figure.tight_layout()
    _save(figure, path)


def _curves(result: dict[str, Any]) -> dict[str, dict[str, dict[float, float]]]:
    """Curve → program → size of the work → time."""
    levels = {
        name: {int(k): v for k, v in about["level_triangles"].items()}
        for name, about in result["programs"].items()
        if "level_triangles" in about
    }
    curves: dict[str, dict[str, dict[float, float]]] = {}
    for stage, programs in result["growth"].items():
        for name, points in programs.items():
            for size, s in points.items():
                x = levels[name][int(size)] if stage == "triangles" else float(size)
                curves.setdefault(stage, {}).setdefault(name, {})[x] = s["median"]
    for task, programs in result["commands"].items():
        if task.startswith("video "):
            frames = float(task.split(", ")[1].split()[0])
            for name, outcome in programs.items():
                if "s" in outcome:
                    curves.setdefault("frames", {}).setdefault(name, {})[frames] = outcome["s"]["median"]
    return curves


def _plain_numbers(axis: Any) -> None:
    """Ticks at 1, 2 and 5, written out."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_tick_params(labelsize=7)


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)
