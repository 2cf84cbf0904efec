"""Labels of camera, coefficients and expressions from a teacher's points and weights."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from tddfa.morphable.model import MorphableModel
from tddfa_train.data.folder import FaceFolder, open_face_folder, write_face_folder
from tddfa_train.data.lip_gaps import part_lips
from tddfa_train.data.mediapipe_points import mediapipe_weights
from tddfa_train.data.point_fits import LabelledPoints, PointFitConfig, PointFits, fit_points, teacher_labels
from tddfa_train.data.renders import eye_aspect
from tddfa_train.data.surface_points import SurfacePoints
from tddfa_train.data.teacher_weights import FACE_LANDMARKER
from tddfa_train.point_model import PointModel

_EXPRESSIVE = np.r_[17:27, 36:68]
_IRIS_CENTERS = (468, 473)
_IRIS_WEIGHT = 3.0
# A fit is trusted fully below 1.2 % of the face's size and not at all above 1.8 %.
_TRUSTED, _DOUBTED = 1.2, 1.8
_CHUNK = 2000


def label_expressions(
    folder: Path, model: MorphableModel, config: PointFitConfig | None = None
) -> np.ndarray:
    """Add fits to a dataset folder whose labels have `mediapipe` and `teacher_weights`.

    The 68 landmarks keep their teacher's place on jaw and nose; brows, lids and lips follow the fit, which
    sees expressions, as far as it is trusted.

    Args:
        folder: has `landmarks68`, `landmarks68_std`, `mediapipe`, `teacher_weights`, `teacher_names` and, if
            known, `person` (equal for photos of one person).
        model: level 0, whole head.
        config: strengths of the fits.

    Returns:
        The errors of the fits, percent of the face's size.
    """
    faces = open_face_folder(folder)
    labels = faces.labels
    names = tuple(map(str, labels["teacher_names"]))
    targets, reliability, held, strength = teacher_labels(
        FACE_LANDMARKER, labels["teacher_weights"].astype(float), names, model
    )
    person = labels.get("person", np.arange(len(faces)).astype(str))
    given = LabelledPoints(
        labels["landmarks68"],
        labels["landmarks68_std"],
        labels["mediapipe"],
        targets,
        reliability,
        held,
        strength,
        np.unique(person, return_inverse=True)[1],
    )
    fits, _ = fit_points(given, model, point_weights(model, labels), config)
    fits = part_lips(fits, labels["mediapipe"], model)
    write_face_folder(folder, np.asarray(faces.images), labels | expression_labels(faces, fits, model))
    return fits.error


def point_weights(model: MorphableModel, labels: dict[str, np.ndarray]) -> Float[np.ndarray, " m"]:
    """How much each MediaPipe point counts in a fit: as in training, and the centres of the irises."""
    weights = mediapipe_weights(labels).numpy().astype(float)
    numbers = model.landmark_sets["mediapipe478"].indices
    assert numbers is not None
    weights[np.isin(numbers, _IRIS_CENTERS)] = _IRIS_WEIGHT
    return weights


def expression_labels(faces: FaceFolder, fits: PointFits, model: MorphableModel) -> dict[str, np.ndarray]:
    """Return the labels that follow from fits: coefficients, weights, points of brows, lids and lips."""
    trust = fits.trust * np.clip((_DOUBTED - fits.error) / (_DOUBTED - _TRUSTED), 0, 1)
    shown = _points(PointModel(model, model.landmark_sets["ibug68"]), fits)
    landmarks = faces.labels["landmarks68"].astype(np.float64)
    landmarks[..., 2] -= landmarks[..., 2].mean(1, keepdims=True)
    shown[..., 2] -= shown[..., 2].mean(1, keepdims=True)
    share = trust[:, None, None]
    landmarks[:, _EXPRESSIVE] += share * (shown[:, _EXPRESSIVE] - landmarks[:, _EXPRESSIVE])
    surface = SurfacePoints.of(model)
    points = _points(PointModel(model, surface.points), fits)
    points[trust < 0.3] = np.nan
    reliable = np.array([max(FACE_LANDMARKER.reliability(name), 0.15) for name in model.expression_names])
    weight = trust[:, None] * reliable * (np.abs(model.expression_basis).max((0, 1)) > 0)
    for column, name in enumerate(model.expression_names):
        if name.startswith("eyeLook"):
            side = "Left" if name.endswith("Left") else "Right"
            closed = fits.expression[:, model.expression_index(f"eyeBlink{side}")]
            weight[:, column] = trust * np.clip(1 - 1.3 * closed, 0, 1)
    return {
        "landmarks68": landmarks.astype(np.float32),
        "mediapipe_trust": trust.astype(np.float32),
        "surface": points.astype(np.float32),
        "surface_mirror": surface.mirror,
        "camera": fits.camera.astype(np.float32),
        "identity": fits.identity.astype(np.float32),
        "expression": fits.expression.astype(np.float32),
        "expression_weight": weight.astype(np.float32),
        "fit_weight": trust.astype(np.float32),
        "rotation_weight": (0.3 * trust).astype(np.float32),
        "eye_aspect": eye_aspect(landmarks),
        "fit_error": (fits.error / 100).astype(np.float32),
    }


def _points(points: PointModel, fits: PointFits) -> Float[np.ndarray, "n p 3"]:
    parts: list[Tensor] = []
    with torch.no_grad():
        for start in range(0, len(fits.camera), _CHUNK):
            rows = slice(start, start + _CHUNK)
            values = (fits.camera[rows], fits.identity[rows], fits.expression[rows])
            parts.append(points(*(torch.from_numpy(np.asarray(v, np.float32)) for v in values)))
    return torch.cat(parts).numpy().astype(np.float64)
