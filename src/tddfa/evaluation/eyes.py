"""Eye closure beside a reference: do the predicted eyes close when the person's do?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tddfa.alignment import FaceAligner
from tddfa.errors import DatasetError
from tddfa.evaluation.bootstrap import rounded
from tddfa.evaluation.classification import area_under_curve, at_threshold, best_threshold
from tddfa.evaluation.data.arrays import existing_folder
from tddfa.evaluation.data.eyes import EyeCrops, read_eye_clips, read_eye_crops
from tddfa.evaluation.faces import progress
from tddfa.evaluation.landmark_tracks import FROM_LAST_FRAME
from tddfa.evaluation.metrics import eye_aspect_ratios
from tddfa.evaluation.report import Report, View
from tddfa.evaluation.stability import clip_track
from tddfa.evaluation.tables import headline
from tddfa.shapes import Float64

CLOSED, OPEN = 0.12, 0.22
"""Ratio of the reference below which an eye is closed and above which it is open; between, it is neither."""

_USUAL = 0.2  # the usual threshold with 68 points. Source: Soukupová and Čech, 2016, figure 1
_LARGEST_YAW_DEG = 30.0  # beyond, the far eye is foreshortened and the reference guesses


def measure_eyes(aligner: FaceAligner, folder: Path) -> Report:
    """Measure the aspect ratio of the eyes beside a reference: error, correlation, closed against open.

    Args:
        aligner: with the pack to measure.
        folder: crops with mediapipe.npz, or clips with eyes.csv, see docs/evaluation.md.

    Raises:
        DatasetError: the set is missing or incomplete.
    """
    if (existing_folder(folder) / "mediapipe.npz").exists():
        return _of_crops(aligner, read_eye_crops(folder))
    if (folder / "eyes.csv").exists():
        return _of_clips(aligner, folder)
    raise DatasetError(
        f"{folder} has no reference for eyes; readable are crops with mediapipe.npz, or clips with eyes.csv"
    )


def _of_crops(aligner: FaceAligner, data: EyeCrops) -> Report:
    near = np.flatnonzero(np.abs(data.yaw_deg) <= _LARGEST_YAW_DEG)
    if not len(near):
        raise DatasetError(f"no face in {data.folder} looks within {_LARGEST_YAW_DEG:.0f}° of the camera")
    points = [
        aligner.align(data.images.read(data.names[k]), landmarks=[data.corners[k]])[0].landmarks[:, :2]
        for k in progress(near.tolist(), f"eyes, {aligner.pack.manifest.name}")
    ]
    predicted, reference = eye_aspect_ratios(np.stack(points)), data.ratios[near]
    record = {
        "protocol": "eyes/crops/1",
        **_identity(aligner, data.folder, len(near), "faces"),
        **_comparison(predicted, reference),
    }
    rows = [{"name": data.names[k], **_row(p, r)} for k, p, r in zip(near, predicted, reference, strict=True)]

    def view(row: int) -> View:
        eyes = points[row][36:48].astype(np.float64)
        return View(data.images.read(rows[row]["name"]), np.zeros((0, 2)), eyes)

    return Report(record, _text(record), rows, view)


def _of_clips(aligner: FaceAligner, folder: Path) -> Report:
    predicted: list[Float64[np.ndarray, "n 2"]] = []
    reference: list[Float64[np.ndarray, "n 2"]] = []
    rows: list[dict[str, Any]] = []
    left_out = {"without_a_face": 0, "beyond_the_end": 0}
    for clip in read_eye_clips(folder):
        points = clip_track(FROM_LAST_FRAME, aligner, clip.path)
        ratios = eye_aspect_ratios(points)
        for frame, measured in zip(clip.frames, clip.ratios, strict=True):
            if frame >= len(ratios):
                left_out["beyond_the_end"] += 1
            elif not np.isfinite(ratios[frame]).all():
                left_out["without_a_face"] += 1
            else:
                predicted.append(ratios[frame])
                reference.append(measured)
                row = {"name": clip.path.name, "frame": int(frame)}
                rows.append({**row, **_row(ratios[frame], measured)})
    if not rows:
        raise DatasetError(f"no frame of the clips in {folder} has both a face and a reference")
    record = {
        "protocol": "eyes/clips/1",
        **_identity(aligner, folder, len(rows), "frames"),
        "left_out": left_out,
        **_comparison(np.stack(predicted), np.stack(reference)),
    }
    return Report(record, _text(record), rows)


def _identity(aligner: FaceAligner, folder: Path, count: int, unit: str) -> dict[str, Any]:
    return {
        "pack": aligner.pack.manifest.name,
        "data": folder.name,
        "count": count,
        "unit_of_count": unit,
        "reference": f"MediaPipe FaceMesh: closed below {CLOSED}, open above {OPEN}",
    }


def _row(predicted: Float64[np.ndarray, "2"], reference: Float64[np.ndarray, "2"]) -> dict[str, Any]:
    return {
        "error": float(np.abs(predicted - reference).mean()),
        "right": float(predicted[0]),
        "left": float(predicted[1]),
        "reference_right": float(reference[0]),
        "reference_left": float(reference[1]),
    }


def _comparison(
    predicted: Float64[np.ndarray, "n 2"], reference: Float64[np.ndarray, "n 2"]
) -> dict[str, Any]:
    mine, other = predicted.ravel(), reference.ravel()
    decided = (other < CLOSED) | (other > OPEN)
    closed = other[decided] < CLOSED
    record: dict[str, Any] = {
        "eyes": len(mine),
        "closed": int(closed.sum()),
        "open": int((~closed).sum()),
        "mean_absolute_error": rounded(float(np.abs(mine - other).mean())),
        "correlation": rounded(_correlation(mine, other)),
        "auc": None,
    }
    if closed.any() and not closed.all():
        values = mine[decided]
        record["auc"] = rounded(area_under_curve(values, closed))
        chosen = {
            "usual": at_threshold(values, closed, _USUAL),
            "best_on_this_set": best_threshold(values, closed),
        }
        record["closed_below"] = {
            name: {
                "threshold": rounded(t.value),
                "precision": rounded(t.precision),
                "recall": rounded(t.recall),
                "f1": rounded(t.f1),
            }
            for name, t in chosen.items()
        }
    return record


def _correlation(a: Float64[np.ndarray, " n"], b: Float64[np.ndarray, " n"]) -> float | None:
    if len(a) < 2 or a.std() == 0 or b.std() == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])


def _left_out(counts: Mapping[str, int]) -> list[str]:
    """Return a line about frames of the reference that were not measured, where there are any."""
    reasons = [f"{count} {why.replace('_', ' ')}" for why, count in counts.items() if count]
    return [f"left out   {', '.join(reasons)}"] if reasons else []


def _text(record: Mapping[str, Any]) -> str:
    correlation = record["correlation"]
    lines: Sequence[str] = [
        *headline(record),
        f"reference  {record['reference']}",
        *_left_out(record.get("left_out", {})),
        f"eyes       {record['eyes']}, of which {record['closed']} closed and {record['open']} open",
        f"ratio      mean absolute error {record['mean_absolute_error']:.4f}, correlation "
        + ("–" if correlation is None else f"{correlation:.3f}"),
    ]
    if record["auc"] is None:
        return "\n".join(
            [*lines, "closed     cannot be measured: the reference has only one of the two classes"]
        )
    lines = [*lines, f"AUC        {record['auc']:.4f}"]
    for name, at in record["closed_below"].items():
        lines.append(
            f"closed     below {at['threshold']:.3f} ({name.replace('_', ' ')}): precision "
            f"{at['precision']:.3f}, "
            f"recall {at['recall']:.3f}, F1 {at['f1']:.3f}"
        )
    return "\n".join(lines)
