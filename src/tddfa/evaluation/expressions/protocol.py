"""The protocol `expressions`: portraits, clips or photos, as the data folder has them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tddfa.alignment import FaceAligner
from tddfa.evaluation.expressions.portrait_report import report_portraits
from tddfa.evaluation.expressions.portrait_set import (
    VERSION,
    is_portrait_set,
    read_portrait_set,
    write_portrait_set,
)
from tddfa.evaluation.expressions.predictions import check_predictions, predict_with_pack, read_predictions
from tddfa.evaluation.expressions.teacher_report import report_teacher
from tddfa.evaluation.expressions.teacher_set import read_teacher_set
from tddfa.evaluation.faces import progress
from tddfa.evaluation.report import Report
from tddfa.morphable.open_model import FILE


def measure_expressions(
    aligner: FaceAligner, folder: Path | None = None, *, predictions: Path | None = None
) -> Report:
    """How well a pack follows the expressions of faces.

    Args:
        aligner: with the pack to measure.
        folder: portraits that were rendered before, or a folder for them that does not exist yet; or clips or
            photos with the outputs of a teacher. Portraits in the user's cache when not given.
        predictions: what another program found in the same faces; measured instead of the pack.

    Raises:
        DatasetError: the folder cannot be read or written, or the predictions do not belong to it.
    """
    if predictions is not None:
        check_predictions(predictions)  # before portraits are rendered for minutes
    folder = folder or cached_folder()
    if not folder.exists():
        write_portrait_set(folder)
    title = f"expressions, {aligner.pack.manifest.name}"
    if is_portrait_set(folder):
        data = read_portrait_set(folder)
        if predictions is not None:
            return report_portraits(data, read_predictions(predictions, data.names))
        images = map(data.portraits.read, progress(data.names, title))
        return report_portraits(data, predict_with_pack(aligner, images, data.points68))
    faces = read_teacher_set(folder)
    if predictions is not None:
        return report_teacher(faces, read_predictions(predictions, faces.names))
    images = (image for image, _ in zip(faces.images(), progress(faces.names, title), strict=True))
    return report_teacher(faces, predict_with_pack(aligner, images, faces.points68))


def cached_folder() -> Path:
    """Return where the portraits of this version and this face model are kept."""
    import platformdirs

    model = hashlib.sha256(FILE.read_bytes()).hexdigest()[:8]
    cache = Path(platformdirs.user_cache_dir("tddfa", appauthor=False))
    return cache / "evaluation" / f"portraits-{VERSION}-{model}"
