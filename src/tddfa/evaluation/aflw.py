"""AFLW: the 21 annotated points by yaw."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tddfa.alignment import FaceAligner
from tddfa.errors import DatasetError, InputError
from tddfa.evaluation.bootstrap import binned_mean
from tddfa.evaluation.data.aflw import Aflw, read_aflw
from tddfa.evaluation.faces import faces_in_crops
from tddfa.evaluation.metrics import aflw21, box_sizes, landmark_errors
from tddfa.evaluation.report import Report, View, in_crop
from tddfa.evaluation.tables import headline, table
from tddfa.shapes import Float64
from tddfa.types import Face

TRUTH, CROP, PREDICTION = "truth", "crop", "prediction"

NORMALISERS = (TRUTH, CROP, PREDICTION)
"""What errors are divided by: the size of the box of the true 68 points, of the crop, or of the predicted 68
points. Three protocols, whose numbers are not comparable."""


def measure_aflw(aligner: FaceAligner, folder: Path, *, normaliser: str | None = None) -> Report:
    """Measure the NME of the 21 points that people marked, each a mean of some of the 68 landmarks.

    Unmarked points do not count.

    Args:
        aligner: with the pack to measure.
        folder: the set, see docs/evaluation.md.
        normaliser: one of `NORMALISERS`; where not given, the true points, or the crop where there are none.

    Raises:
        DatasetError: the set is missing or incomplete, or has no 68 points and is to be divided by them.
        InputError: there is no such normaliser.

    Source: the benchmark of the first 3DDFA project.
    """
    if normaliser not in (None, *NORMALISERS):
        raise InputError(f"no normaliser {normaliser!r}; choose from {', '.join(NORMALISERS)}")
    data = read_aflw(folder)
    if normaliser == TRUTH and data.sizes is None:
        raise DatasetError(
            f"{folder} has no 68 points, whose box errors are to be divided by; choose the normaliser "
            f"{CROP} or {PREDICTION}"
        )
    faces = faces_in_crops(
        aligner, data.crops, data.names, data.squares, f"AFLW, {aligner.pack.manifest.name}"
    )
    predicted = aflw21(np.stack([face.landmarks[:, :2] for face in faces]))
    sizes, name = _sizes(data, faces, normaliser)
    errors = landmark_errors(predicted, data.points, sizes, data.visible)
    measured = np.isfinite(errors)
    if not measured.any():
        raise DatasetError(f"no face of the set in {folder} has a marked point")
    mean = binned_mean(errors[measured], data.yaw_deg[measured])
    record: dict[str, Any] = {
        "protocol": f"aflw-21/{_PROTOCOLS[name]}/1",
        "pack": aligner.pack.manifest.name,
        "data": folder.name,
        "count": int(measured.sum()),
        "crops": "ground-truth",
        "normaliser": f"sqrt(width x height) of {_named(name, data)}; percent",
        **mean.record(),
    }
    rows = [
        {
            "name": name,
            "yaw_deg": float(yaw),
            "error": float(error) if np.isfinite(error) else None,
            "n_points": int(seen.sum()),
        }
        for name, yaw, error, seen in zip(data.names, data.yaw_deg, errors, data.visible, strict=True)
    ]

    def view(k: int) -> View:
        image, seen = data.crops.read(data.names[k]), data.visible[k]
        place = data.squares[k]
        return View(
            image, in_crop(data.points[k][seen], place, image), in_crop(predicted[k][seen], place, image)
        )

    text = [*headline(record), f"divided by {record['normaliser']}", *table({"human": mean}, "NME 21, %")]
    return Report(record, "\n".join(text), rows, view)


_PROTOCOLS = {TRUTH: "ground-truth", CROP: "crop-size", PREDICTION: "prediction-size"}


def _sizes(
    data: Aflw, faces: Sequence[Face], normaliser: str | None
) -> tuple[Float64[np.ndarray, " n"], str]:
    """Return what errors are divided by, px of the image, and its name."""
    if data.sizes is not None and normaliser in (None, TRUTH):
        return data.sizes, TRUTH
    if normaliser == PREDICTION:
        return box_sizes(np.stack([face.landmarks[:, :2] for face in faces]).astype(np.float64)), PREDICTION
    return np.sqrt(np.prod(data.squares[:, 2:] - data.squares[:, :2], axis=1)), CROP


def _named(normaliser: str, data: Aflw) -> str:
    if normaliser == TRUTH:
        return f"the box of {data.sizes_from}"
    return "the crop" if normaliser == CROP else "the box of the predicted 68 points"
