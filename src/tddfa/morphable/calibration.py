"""Where the landmarks of another system lie on a model: one name means many places to many people."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from tddfa.errors import InputError
from tddfa.morphable.fitting import Fit, Fitter
from tddfa.morphable.landmarks import LandmarkSet
from tddfa.morphable.model import MorphableModel
from tddfa.morphable.numbers import numbers
from tddfa.morphable.places import nearest_places
from tddfa.shapes import Float, Float64

N_ROUNDS = 6
FEWEST_FACES = 20
"""Faces below which what fits miss is chance more than definition."""
STEP = 0.9
LONGEST_STEP_MM = 5.0
DEPTH_EVIDENCE = 0.05
"""Part of the mean evidence that is assumed in all directions: photos from the front say nothing of depth."""


def calibrate_landmarks(
    model: MorphableModel,
    observed: Float[np.ndarray, "n_faces n_points 2"] | Sequence[Float[np.ndarray, "n_points 2"]],
    start: str | LandmarkSet = "ibug68",
    *,
    n_rounds: int = N_ROUNDS,
) -> LandmarkSet:
    """The landmarks of another system on `model`: fits to its points miss none of them on average.

    Annotators and networks put the points of one scheme at different places: the corner of a mouth, the
    contour of a jaw. Fits the model to the faces, moves each landmark on the surface by what the fits miss on
    average, and repeats. Takes some ten milliseconds a face and round.

    Args:
        model: a face model.
        observed: the system's points on many faces, image frame, px; NaN for points that are not known. Some
            hundred faces in varied poses are good.
        start: about where its points lie: a key of `model.landmark_sets` or places, in the order of the
            points.
        n_rounds: how often the landmarks are moved.

    Returns:
        The landmarks, for `fit_landmarks(..., landmark_set=...)`.

    Raises:
        InputError: there are too few faces, or their points are not those of `start`.
    """
    places = model.landmark_set(start)
    faces = [numbers("the points", points) for points in observed]
    if len(faces) < FEWEST_FACES:
        raise InputError(
            f"{len(faces)} faces say too little of where landmarks lie; give {FEWEST_FACES} or more"
        )
    for a, b in pairwise([(len(places), 2), *(face.shape for face in faces)]):
        if a != b:
            raise InputError(f"points have shape {b}; these landmarks are {len(places)} points (x, y)")
    known = [np.asarray(np.isfinite(face).all(axis=1), np.float64) for face in faces]
    # Lips that touch would let points change from one to the other.
    ajar = model.params(expression={"jawOpen": 0.3} if "jawOpen" in model.expression_names else None)
    surface, base = model.shape(ajar), model.mean + model.expression_basis @ ajar.expression
    for _ in range(n_rounds):
        fitter = Fitter(model, places)
        fits = [fitter.fit(face, there) for face, there in zip(faces, known, strict=True)]
        moves, metric = missed_on_average(fits, faces)
        length = np.linalg.norm(moves, axis=1, keepdims=True)
        moves *= STEP * np.minimum(1, LONGEST_STEP_MM / np.maximum(length, 1e-9))
        places = nearest_places(model, places.positions(base) + moves, surface, metric)
    return places


def missed_on_average(
    fits: Sequence[Fit], observed: Sequence[Float[np.ndarray, "n_points 2"]]
) -> tuple[Float64[np.ndarray, "n_points 3"], Float64[np.ndarray, "3 3"]]:
    """The shift of each point in the model frame, mm, that explains best what fits miss in the pictures.

    And the metric of the pictures, a map to a space where places are as far apart as the pictures show them:
    most of them say little of depth.

    Args:
        fits: fits to points of which the first are those observed.
        observed: what they were fitted to, px; NaN for points that are not known.
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
