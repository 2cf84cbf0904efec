"""The protocol `expressions`: portraits, clips or photos, as the data folder has them."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from pathlib import Path

from tddfa.alignment import FaceAligner
from tddfa.evaluation.expressions.portrait_report import report_portraits
from tddfa.evaluation.expressions.portrait_set import (
    VERSION,
    read_portrait_set,
    write_portrait_set,
)
from tddfa.evaluation.expressions.predictions import predict_with_pack, read_predictions
from tddfa.evaluation.faces import progress
from tddfa.evaluation.report import Report
from tddfa.morphable.open_model import FILE


def measure_expressions(
    aligner: FaceAligner, folder: Path | None = None, *, predictions: Path | None = None
) -> Report:
    """How well a pack follows the expressions of faces.

    Args:
        aligner: with the pack to measure.
        folder: portraits that were rendered before, or a folder for them that does not exist yet; the user's
            cache when not given.
        predictions: what another program found in the same faces; measured instead of the pack.

    Raises:
        DatasetError: the folder cannot be read or written, or the predictions do not belong to it.
    """
    folder = folder or cached_folder()
    if not folder.exists():
        write_portrait_set(folder)
    data = read_portrait_set(folder)
    if predictions is not None:
        return report_portraits(data, read_predictions(predictions, data.names))
    title = f"expressions, {aligner.pack.manifest.name}"
    faces = (
        (data.portraits.read(name), points)
        for name, points in zip(progress(data.names, title), data.points68, strict=True)
    )
    return report_portraits(data, predict_with_pack(aligner, faces))


def cached_folder() -> Path:
    """Return where the portraits of this version and this face model are kept."""
    import platformdirs

    model = hashlib.sha256((files("tddfa.morphable") / FILE).read_bytes()).hexdigest()[:8]
    cache = Path(platformdirs.user_cache_dir("tddfa", appauthor=False))
    return cache / "evaluation" / f"portraits-{VERSION}-{model}"
