"""`tddfa-train model-card`: everything that a model card says in numbers and images."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tddfa.alignment import FaceAligner
from tddfa.errors import InputError
from tddfa.evaluation import contact_sheet, evaluate
from tddfa.files import atomic_write
from tddfa.imaging import read_image, write_image
from tddfa.packs import find_pack
from tddfa_train.data.prepare import photos_in
from tddfa_train.model_card.groups import detector_recall, held_out_faces, measure_groups
from tddfa_train.model_card.stress import stress

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CardConfig:
    """What is measured, and on what; what is left out is not measured.

    Attributes:
        packs: names or folders, variants as `open:small`; images are of the first.
        aflw2000: folder of the set (docs/evaluation.md); both truths, head pose, official crops.
        detector: measure aflw2000 with the pack's own detector too; the set needs its large images.
        held_out: dataset folders; the faces that did not train are measured by group.
        held_out_every: as in the training config.
        boxes: folder of photos with `faceboxes.json`: for each file its `boxes`, a list of x0, y0, x1, y1, ….
        photos: folder of photos that are made harder and may be shown.
        worst: how many of the worst faces the contact sheets show.
    """

    packs: tuple[str, ...] = ("open",)
    aflw2000: str | None = None
    detector: bool = False
    held_out: tuple[str, ...] = ()
    held_out_every: int = 40
    boxes: str | None = None
    photos: str | None = None
    worst: int = 24


def measure_card(config: CardConfig, folder: Path) -> dict[str, Any]:
    """Writes `card.json`, `card.md` and images of failures; the content of `card.json` comes back.

    Args:
        config: packs and data.
        folder: receives the files.
    """
    if config.held_out_every < 1:
        raise InputError("held_out_every counts faces: 1 measures all, 40 every fortieth")
    folder.mkdir(parents=True, exist_ok=True)
    packs: dict[str, Any] = {}
    opened = [find_pack(name) for name in config.packs]  # so that a missing one costs no work
    faces = held_out_faces(config.held_out, config.held_out_every) if config.held_out else None
    for place, pack in enumerate(opened):
        log.info("measuring %s", pack.manifest.name)
        aligner = FaceAligner(pack)
        measured: dict[str, Any] = {}
        if config.aflw2000 is not None:
            report = evaluate("aflw2000", aligner, config.aflw2000)
            measured["aflw2000"] = dict(report.record)
            if place == 0:
                write_image(folder / "worst_aflw2000.jpg", contact_sheet(report, report.worst(config.worst)))
            if config.detector:
                measured["aflw2000_detector"] = dict(
                    evaluate("aflw2000", aligner, config.aflw2000, crops="detector").record
                )
        if faces is not None:
            report = measure_groups(aligner, faces)
            measured["held_out"] = dict(report.record)
            if place == 0:
                write_image(folder / "worst_held_out.jpg", contact_sheet(report, report.worst(config.worst)))
        if config.boxes is not None:
            measured["boxes"] = detector_recall(aligner, *_boxes(Path(config.boxes)))
        if config.photos is not None:
            measured["stress"], image = stress(
                aligner, [read_image(p) for p in photos_in(Path(config.photos))]
            )
            if place == 0 and image is not None:
                write_image(folder / "stress.jpg", image)
        packs[pack.manifest.name] = measured
    record = {"packs": packs}
    atomic_write(folder / "card.json", (json.dumps(record, indent=2) + "\n").encode())
    atomic_write(folder / "card.md", card_text(record).encode())
    return record


def _boxes(folder: Path) -> tuple[list[np.ndarray], list[np.ndarray]]:
    try:
        known: Mapping[str, Any] = json.loads((folder / "faceboxes.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {folder / 'faceboxes.json'}: {error}") from None
    images = [read_image(folder / name) for name in known]
    boxes = [np.array([box[:4] for box in entry["boxes"]], np.float64) for entry in known.values()]
    return images, [b.reshape(-1, 4) for b in boxes]


def card_text(record: Mapping[str, Any]) -> str:
    """The tables of a card as Markdown, packs side by side."""
    packs: Mapping[str, Any] = record["packs"]
    parts: list[str] = []
    for key, title in (("aflw2000", "official crops"), ("aflw2000_detector", "crops by the pack's detector")):
        if rows := _aflw2000_rows(packs, key):
            heads = ("", "truth", "0–30", "30–60", "60–90", "mean of bins", "head pose, mean absolute error")
            parts += [f"AFLW2000-3D, NME in %, {title}:", _table(heads, rows)]
    if any("held_out" in p for p in packs.values()):
        parts += ["Distance to the labels of held-out faces, % of the face's size, mean ± 95 % interval:"]
        parts += [_table(("", "", "faces", *packs), _group_rows(packs))]
        eyes = {name: p["held_out"]["eyes"] for name, p in packs.items() if p.get("held_out", {}).get("eyes")}
        parts += [
            f"Closed against open eyes, {name}: area under the curve {e['auc']:.3f} "
            f"({e['closed']} closed, {e['open']} open)."
            for name, e in eyes.items()
        ]
    for name, pack in packs.items():
        if "boxes" in pack:
            b = pack["boxes"]
            parts.append(
                f"Detection, {name}: {b['found']} of {b['boxes']} known faces ({100 * b['recall']:.1f} %, "
                f"IoU {b['overlap']}) in {b['photos']} photos, {b['beside']} boxes beside them."
            )
    for name, pack in packs.items():
        if "stress" in pack:
            parts += [f"Photos made harder, {name} (truth: the pack's own landmarks of the photo as it is):"]
            heads = ("", "found", "error, %", "with detector, %", "confidence")
            parts.append(_table(heads, [_stress_row(t, r) for t, r in pack["stress"].items()]))
    return "\n\n".join(parts) + "\n"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _aflw2000_rows(packs: Mapping[str, Any], key: str) -> list[list[str]]:
    rows: list[list[str]] = []
    for name, measured in packs.items():
        record = measured.get(key)
        if record is None:
            continue
        pose = record["pose"]
        for number, (truth, means) in enumerate(record["truths"].items()):
            low, high = means["interval"]
            mean = (
                "–"
                if means["mean_of_bins"] is None
                else f"{means['mean_of_bins']:.2f} [{low:.2f}, {high:.2f}]"
            )
            bins = ["–" if value is None else f"{value:.2f}" for value in means["bins"].values()]
            head_pose = "" if number or pose is None else _pose(pose)
            rows.append([name, truth, *bins, mean, head_pose])
        if "detected" in record:
            detected = record["detected"]
            rows.append([name, f"detected: {detected['found']} of {detected['of']}", "", "", "", "", ""])
    return rows


def _pose(pose: Mapping[str, Any]) -> str:
    numbers = {key: value for key, value in pose.items() if isinstance(value, float)}
    return ", ".join(f"{key.replace('_', ' ')} {value:.2f}" for key, value in numbers.items())


def _group_rows(packs: Mapping[str, Any]) -> list[list[str]]:
    records = [pack["held_out"] for pack in packs.values()]
    rows = [["all", "", str(records[0]["count"]), *(_mean(r["all"]) for r in records)]]
    for question, answers in records[0]["groups"].items():
        for answer, summary in answers.items():
            means = [_mean(r["groups"][question][answer]) for r in records]
            rows.append([question, answer, str(summary["count"]), *means])
    return rows


def _mean(summary: Mapping[str, float]) -> str:
    half = f" ± {summary['half_width']:.2f}" if "half_width" in summary else ""
    return f"{summary['mean']:.2f}{half}"


def _stress_row(title: str, result: Mapping[str, Any]) -> list[str]:
    return [
        title,
        f"{result['found']} of {result['faces']}",
        f"{result['error']:.1f}",
        _or_dash(result["error_with_detector"], 1),
        _or_dash(result["confidence"], 2),
    ]


def _or_dash(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
