"""AFLW: the 21 human points by yaw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tddfa.alignment import FaceAligner
from tddfa.errors import DatasetError
from tddfa.evaluation.data.aflw import read_aflw
from tddfa.evaluation.faces import faces_in_crops
from tddfa.evaluation.means import binned_mean
from tddfa.evaluation.metrics import aflw21, landmark_errors
from tddfa.evaluation.report import Report, View, in_crop
from tddfa.evaluation.text import headline, table


def measure_aflw(aligner: FaceAligner, folder: Path) -> Report:
    """NME of the 21 points that people marked, each a mean of some of the 68; unmarked points do not count.

    Args:
        aligner: with the pack to measure.
        folder: the set, see docs/evaluation.md.

    Raises:
        DatasetError: the set is missing or incomplete.

    Source: the benchmark of the first 3DDFA project.
    """
    data = read_aflw(folder)
    faces = faces_in_crops(
        aligner, data.crops, data.names, data.squares, f"AFLW, {aligner.pack.manifest.name}"
    )
    predicted = aflw21(np.stack([face.landmarks[:, :2] for face in faces]))
    errors = landmark_errors(predicted, data.points, data.sizes, data.visible)
    measured = np.isfinite(errors)
    if not measured.any():
        raise DatasetError(f"no face of the set in {folder} has a marked point")
    mean = binned_mean(errors[measured], data.yaw_deg[measured])
    record: dict[str, Any] = {
        "protocol": "aflw-21/ground-truth/1",
        "pack": aligner.pack.manifest.name,
        "data": folder.name,
        "count": int(measured.sum()),
        "crops": "ground-truth",
        "normaliser": f"sqrt(width x height) of the box of {data.sizes_from}; percent",
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
