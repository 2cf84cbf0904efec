"""Landmarks of another system on a model, found from its points on many faces."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from tddfa.errors import InputError
from tddfa.morphable.closest_points import closest_surface_points
from tddfa.morphable.finite_array import as_finite_array
from tddfa.morphable.fitting import NEEDED_MODEL, Fit, Fitter
from tddfa.morphable.landmarks import LandmarkSet
from tddfa.morphable.model import MorphableModel
from tddfa.shapes import Float, Float64
from tddfa.types.arguments import as_list, check_count, check_kind

N_ROUNDS = 6
FEWEST_FACES = 20
"""Minimum number of faces. With fewer, the error of fits is chance more than definition."""
STEP = 0.9
LONGEST_STEP_MM = 5.0
DEPTH_EVIDENCE = 0.05
"""Share of the mean evidence assumed in all directions: photos from the front tell nothing about depth."""


def calibrate_landmarks(
    model: MorphableModel,
    observed: Float[np.ndarray, "n_faces n_points 2"] | Sequence[Float[np.ndarray, "n_points 2"]],
    start: str | LandmarkSet = "ibug68",
    *,
    n_rounds: int = N_ROUNDS,
) -> LandmarkSet:
    """Return the landmarks of another system on `model`: fits to its points miss none of them on average.

    Annotators and networks put the points of one scheme at different positions: the corner of a mouth, the
    contour of a jaw. This fits the model to the faces, moves each landmark on the surface by the mean error
    of the fits, and repeats. It takes some ten milliseconds per face and round.

    Args:
        model: a face model.
        observed: points of the system on many faces, image frame, px; NaN for points that are not known.
            Some hundred faces in varied poses are enough.
        start: approximate landmarks in the order of the points: a key of `model.landmark_sets` or a set.
        n_rounds: number of times the landmarks are moved.

    Returns:
        The landmarks, for `fit_landmarks(..., landmark_set=...)`.

    Raises:
        InputError: there are too few faces, or their points are not those of `start`.
    """
    check_kind("model", model, MorphableModel, NEEDED_MODEL)
    check_count("n_rounds", n_rounds)
    landmarks = model.landmark_set(start)
    given = as_list("observed", observed, "points of many faces are needed, in a list")
    faces = [as_finite_array("the points", points) for points in given]
    if len(faces) < FEWEST_FACES:
        raise InputError(
            f"{len(faces)} faces are too few to calibrate landmarks; give {FEWEST_FACES} or more"
        )
    for a, b in pairwise([(len(landmarks), 2), *(face.shape for face in faces)]):
        if a != b:
            raise InputError(f"points have shape {b}; these landmarks are {len(landmarks)} points (x, y)")
    known = [np.asarray(np.isfinite(face).all(axis=1), np.float64) for face in faces]
    # Lips that touch would let points change from one to the other.
    ajar = model.params(expression={"jawOpen": 0.3} if "jawOpen" in model.expression_names else None)
    surface, base = model.shape(ajar), model.mean + model.expression_basis @ ajar.expression
    for _ in range(n_rounds):
        fitter = Fitter(model, landmarks)
        fits = [fitter.fit(face, there) for face, there in zip(faces, known, strict=True)]
        moves, metric = mean_errors(fits, faces)
        length = np.linalg.norm(moves, axis=1, keepdims=True)
        moves *= STEP * np.minimum(1, LONGEST_STEP_MM / np.maximum(length, 1e-9))
        landmarks = closest_surface_points(model, landmarks.positions(base) + moves, surface, metric)
    return landmarks


def mean_errors(
    fits: Sequence[Fit], observed: Sequence[Float[np.ndarray, "n_points 2"]]
) -> tuple[Float64[np.ndarray, "n_points 3"], Float64[np.ndarray, "3 3"]]:
    """Return the shift of each point, model frame, mm, that best explains the errors of fits in images.

    Also return the metric of the images, a map to a space where points are as far apart as the images show
    them: most images tell little about depth.

    Args:
        fits: fits to points, the first of which are those observed.
        observed: targets of the fits, px; NaN for points that are not known.
    """
    n = len(observed[0])
    H, g, all_H = np.zeros((n, 3, 3)), np.zeros((n, 3)), np.zeros((3, 3))
    for fit, target in zip(fits, observed, strict=True):
        A = fit.params.camera[:2, :3]
        square = (A**2).sum() / 2  # so that small faces count as much as large ones
        known = np.isfinite(target).all(axis=1)
        H[known] += A.T @ A / square
        g[known] += (target[known] - fit.points[:n, :2][known]) @ A / square
        all_H += A.T @ A / square
    H += DEPTH_EVIDENCE * np.maximum(np.trace(H, axis1=1, axis2=2), 1e-9)[:, None, None] / 3 * np.eye(3)
    all_H += DEPTH_EVIDENCE * np.trace(all_H) / 3 * np.eye(3)
    return np.linalg.solve(H, g[:, :, None])[:, :, 0], np.linalg.cholesky(all_H / len(fits))
