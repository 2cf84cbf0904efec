"""Labels of a morphable model: camera and coefficients fitted to the points of a dataset folder."""

from pathlib import Path

import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from tddfa.files import atomic_path
from tddfa.morphable.fitting import Fit, Fitter
from tddfa.morphable.model import MorphableModel
from tddfa_train.data.folder import open_face_folder

_DEPTH_WEIGHT = 0.3  # a teacher's depth is a guess, its x and y are seen


class LandmarkFitter:
    """Fits a model to 68 landmarks with or without depth.

    Args:
        model: the face model.
        n_coordinates: 2 or 3.
    """

    def __init__(self, model: MorphableModel, n_coordinates: int = 3):
        self._fitter = Fitter(model, model.landmark_sets["ibug68"])
        self._weights = np.ones((68, n_coordinates))
        self._weights[:, 2:] = _DEPTH_WEIGHT

    def fit(self, points: Float[np.ndarray, "68 d"]) -> tuple[Fit, float]:
        """The fit, and its error in x and y as a share of the face's size; NaN coordinates do not count."""
        weights = self._weights * np.isfinite(points)
        fit = self._fitter.fit(np.nan_to_num(points.astype(np.float64)), weights)
        return fit, fit.error_px / float(np.sqrt(np.prod(np.ptp(points[:, :2], axis=0))))


def fit_folder(folder: Path, model: MorphableModel) -> np.ndarray:
    """Adds `camera`, `identity`, `expression` and `fit_error` to a dataset folder, and depth that is unknown.

    Args:
        folder: has `landmarks68`, with or without depth.
        model: what to fit.

    Returns:
        The errors: mean distance in x and y, as a share of the face's size.
    """
    faces = open_face_folder(folder)
    points = faces.labels["landmarks68"]
    fitter = LandmarkFitter(model, points.shape[2])
    cameras: list[np.ndarray] = []
    identities: list[np.ndarray] = []
    expressions: list[np.ndarray] = []
    errors: list[float] = []
    for face in tqdm(points, desc="fits", unit="face", disable=None):
        fit, error = fitter.fit(face)
        cameras.append(fit.params.camera)
        identities.append(fit.params.identity)
        expressions.append(fit.params.expression)
        errors.append(error)
        if face.shape[1] == 3:
            face[:, 2] = np.where(np.isfinite(face[:, 2]), face[:, 2], fit.points[:, 2])
    added = {
        "camera": np.stack(cameras).astype(np.float32),
        "identity": np.stack(identities),
        "expression": np.stack(expressions),
        "fit_error": np.array(errors, np.float32),
    }
    with atomic_path(folder / "labels.npz") as partial:
        np.savez(partial, **(faces.labels | added))  # pyright: ignore[reportArgumentType]
    return added["fit_error"]
