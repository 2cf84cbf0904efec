"""Correspondence between the vertices of one face model and the surface of another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.errors import InputError
from tddfa.morphable.closest_points import closest_surface_points
from tddfa.morphable.finite_array import as_finite_array
from tddfa.morphable.fitting import NEEDED_MODEL, Fit, Fitter
from tddfa.morphable.landmarks import LandmarkSet
from tddfa.morphable.model import MorphableModel
from tddfa.shapes import Float32, Float64, Int, Real
from tddfa.types import FaceParams
from tddfa.types.arguments import as_list, check_count, check_kind

N_POINTS = 700
N_ROUNDS = 6
FAR_MM = 5.0
"""Maximum distance to the surface, mm. Vertices of the other model further away have no partner on it."""
LONGEST_STEP_MM = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class Correspondence:
    """Pairs of a vertex of another model and its point on this one.

    Attributes:
        vertices: vertices of the other model.
        points: the corresponding points on this model.
    """

    vertices: Int[np.ndarray, " n_pairs"]
    points: LandmarkSet


def correspond(
    model: MorphableModel,
    other: MorphableModel,
    faces: Iterable[FaceParams] = (),
    *,
    n_points: int = N_POINTS,
) -> Correspondence:
    """Return where vertices of `other` lie on `model`, found from faces of `other`.

    This fits `model` to the faces, moves each point by the mean error of the fits, and repeats: vertices end
    where they mean the same on all faces. It takes some seconds.

    Args:
        model: the model on which the points lie.
        other: the model whose vertices are placed.
        faces: parameters of `other` with different identities and expressions; some 50 are enough. Without
            them, its mean face is used.
        n_points: number of its vertices to place, spread evenly over their indices.

    Raises:
        InputError: an argument is not possible; the message says what is.
    """
    check_kind("model", model, MorphableModel, NEEDED_MODEL)
    check_kind("other", other, MorphableModel, NEEDED_MODEL)
    check_count("n_points", n_points, other.n_vertices, least=4)
    chosen = np.unique(np.linspace(0, other.n_vertices - 1, n_points).round().astype(np.int64))
    params = as_list("faces", faces, "a list of parameters is needed") or [other.params()]
    targets = [other.reconstruct(p).vertices[chosen].astype(np.float64) for p in params]
    landmarks = Fitter(model, model.landmark_sets["ibug68"])
    first = landmarks.fit(other.landmarks(params[0]).astype(np.float64))
    shift = targets[0] + _depth_shift(first, other.landmarks(params[0]))
    points = closest_surface_points(model, shift, model.reconstruct(first.params).vertices)
    mean = model.shape(model.params())
    near = np.ones(len(chosen), bool)
    for _ in range(N_ROUNDS):
        fitter = Fitter(model, points)
        fits = [fitter.fit(target, near.astype(np.float64)) for target in targets]
        missed = np.mean([_in_model_frame(f, t, near) for f, t in zip(fits, targets, strict=True)], axis=0)
        length = np.linalg.norm(missed, axis=1, keepdims=True)
        missed *= np.minimum(1, LONGEST_STEP_MM / np.maximum(length, 1e-9))
        wanted = points.positions(model.mean) + missed
        points = closest_surface_points(model, wanted, mean)
        near = np.linalg.norm(points.positions(model.mean) - wanted, axis=1) < FAR_MM
    kept = np.flatnonzero(near)
    return Correspondence(chosen[kept], LandmarkSet(points.vertices[kept], points.weights[kept]))


def fit_vertices(
    model: MorphableModel,
    vertices: Real[np.ndarray, "n_vertices d"] | Sequence[Sequence[float]],
    correspondence: Correspondence,
    weights: Real[np.ndarray, " n_weights"] | Sequence[float] | None = None,
    *,
    identity_stiffness: float = 1.0,
    expression_stiffness: float = 1.0,
) -> Fit:
    """Return the face of `model` that is closest to a dense mesh of another model.

    Args:
        model: a face model.
        vertices: vertices of the mesh, image frame, px; depth may be shifted.
        correspondence: where the vertices lie on `model`; see `correspond`.
        weights: weight of each vertex.
        identity_stiffness: weight of the prior that keeps the identity near the mean face; 1 is that of its
            statistics.
        expression_stiffness: the same for the neutral expression.

    Raises:
        InputError: the mesh has too few vertices for the correspondence, or the weights are not theirs.
    """
    check_kind("model", model, MorphableModel, NEEDED_MODEL)
    check_kind("correspondence", correspondence, Correspondence, "correspond returns one")
    mesh, last = as_finite_array("the mesh", vertices), int(correspondence.vertices.max())
    if mesh.ndim != 2 or mesh.shape[1] != 3 or len(mesh) <= last:
        raise InputError(f"the mesh has shape {mesh.shape}; its correspondence needs vertex {last} (x, y, z)")
    weight = None if weights is None else as_finite_array("the weights", weights)
    if weight is not None and weight.shape != (len(mesh),):
        raise InputError(f"weights have shape {weight.shape}; they are {len(mesh)} numbers, one per vertex")
    return _fitter(model, correspondence).fit(
        mesh[correspondence.vertices],
        None if weight is None else weight[correspondence.vertices],
        identity_stiffness=identity_stiffness,
        expression_stiffness=expression_stiffness,
    )


@lru_cache(maxsize=8)
def _fitter(model: MorphableModel, correspondence: Correspondence) -> Fitter:
    return Fitter(model, correspondence.points)


def _depth_shift(fit: Fit, observed: Float32[np.ndarray, "n 3"]) -> Float64[np.ndarray, "3"]:
    """Return the shift that brings observed depths to those of the fit."""
    return np.array([0, 0, float(np.median(fit.points[:, 2] - observed[:, 2]))])


def _in_model_frame(
    fit: Fit, target: Float64[np.ndarray, "n 3"], counts: np.ndarray
) -> Float64[np.ndarray, "n 3"]:
    """Return the vectors from the points of a fit to the targets, model frame, mm."""
    A = fit.params.camera[:, :3]
    missed = target - fit.points
    missed[:, 2] -= np.median(missed[counts, 2])
    return missed @ np.linalg.inv(A).T
