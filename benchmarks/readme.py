"""Results → the numbers of the README, between its marks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.tables import GROUND_TRUTH, ms, or_dash, read_results, table

BEGIN, END = "<!-- results: written by python -m benchmarks report -->", "<!-- end of results -->"


def readme_block(results: Path) -> str:
    """What stands between the marks."""
    accuracy, speed = read_results(results)
    lines: list[str] = []
    if accuracy is not None:
        lines += _accuracy(accuracy, speed)
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
        "Accuracy is that of photos. In a clip, `open` follows a face with a network of its own "
        "([model card](docs/model-card.md)), and verifies it in every sixth frame, which takes longer.",
    ]
