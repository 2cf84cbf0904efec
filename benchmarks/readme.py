"""Results → the numbers of the README, between its marks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.tables import GROUND_TRUTH, TITLES, ms, or_dash, ratio, read_results, table

BEGIN, END = "<!-- results: written by python -m benchmarks report -->", "<!-- end of results -->"

_PUBLISHED = "3ddfa-v2-mb05"
_STAGES = (
    "detect",
    "regress",
    "reconstruct",
    "track",
    "photo_mesh",
    "draw_2d_sparse",
    "draw_2d_dense",
    "draw_3d",
    "draw_uv_tex",
    "write_ply",
)


def readme_block(results: Path) -> str:
    """What stands between the marks."""
    accuracy, speed = read_results(results)
    lines: list[str] = []
    if accuracy is not None:
        lines += _accuracy(accuracy, speed)
    if speed is not None:
        lines += _speed(speed)
    return "\n".join(lines).strip()


def write_readme(results: Path, readme: Path) -> None:
    """Put the numbers of the results into the README.

    Raises:
        SystemExit: it has not exactly one place for them.
    """
    from tddfa.files import atomic_write

    text = readme.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise SystemExit(
            f"{readme} has no place for the results: one line {BEGIN!r} and one {END!r} are needed"
        )
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    atomic_write(readme, f"{before}{BEGIN}\n\n{readme_block(results)}\n\n{END}{after}".encode())
    print(f"wrote {readme}")


def _accuracy(result: dict[str, Any], speed: dict[str, Any] | None) -> list[str]:
    rows: list[list[str]] = []
    faces, times = 0, {} if speed is None else speed["stages"]["1"].get("track", {})
    for name, records in result["packs"].items():
        record = records.get(GROUND_TRUTH)
        if record is None:
            continue
        faces = record["count"]
        bins = " / ".join(or_dash(value, ".2f") for value in record["bins"].values())
        again = record["truths"].get("reannotated", {})
        rows.append(
            [
                name,
                f"{bins} → **{or_dash(record['mean_of_bins'], '.3f')}**",
                or_dash(again.get("mean_of_bins"), ".3f"),
                f"{or_dash((record['pose'] or {}).get('mae'), '.2f')}°",
                or_dash(records.get("eyes/crops/1", {}).get("auc"), ".3f"),
                ms(times[name]["median"]) if name in times else "–",
            ]
        )
    head = [
        "pack",
        "NME-68, %: \\|yaw\\| 0–30, 30–60, 60–90 → mean of bins",
        "on the re-annotated truth",
        "head pose MAE",
        "closed eyes, AUC",
        "ms a frame",
    ]
    return [
        f"{faces} faces of AFLW2000-3D, official crops, `tddfa eval aflw2000` "
        "([protocol](docs/evaluation.md), [results](benchmarks/results)):",
        "",
        *table(head, rows),
    ]


def _speed(result: dict[str, Any]) -> list[str]:
    if not any(name.startswith("3ddfa_v2 ") for name in result["programs"]):
        return []
    rows: list[list[str]] = []
    for stage in _STAGES:
        medians = {name: s["median"] for name, s in result["stages"]["1"].get(stage, {}).items()}
        _add(rows, TITLES[stage], medians, "ms")
    for command, programs in result["commands"].items():
        medians = {name: p["s"]["median"] for name, p in programs.items() if "s" in p}
        _add(rows, f"whole command: {command}", medians, "s")
    machine = result["machine"]
    return [
        "The published ×0.5 network here and in 3DDFA_V2 (the faster of its two paths), one thread, in the "
        f"same run ({machine['cpu']}, {machine['cores']} cores; [everything](docs/benchmarks.md)):",
        "",
        *table(["", "tddfa", "3DDFA_V2", ""], rows),
    ]


def _add(rows: list[list[str]], title: str, medians: dict[str, float], unit: str) -> None:
    faster = ratio(_PUBLISHED, medians)
    if faster is not None:
        ours, theirs = medians[_PUBLISHED], medians[_PUBLISHED] * faster
        rows.append([title, f"{ms(ours)} {unit}", f"{ms(theirs)} {unit}", f"×{faster:.2g}"])
