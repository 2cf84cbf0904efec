"""Closest points on the surface of a model, as landmarks that move with it."""

from __future__ import annotations

import numpy as np

from tddfa.morphable.landmarks import LandmarkSet
from tddfa.morphable.model import MorphableModel
from tddfa.shapes import Float, Float32, Float64, Int

N_CANDIDATES = 12
"""Number of triangles to search, those with the nearest centres; on faces the closest one is among them."""
LEAST_FACING = -0.3
"""Minimum cosine to the view from the front. Below it, skin lies in folds of lids, nostrils and lips."""


def closest_surface_points(
    model: MorphableModel,
    points: Float[np.ndarray, "n_points 3"],
    vertices: Float[np.ndarray, "n_vertices 3"],
    metric: Float64[np.ndarray, "3 3"] | None = None,
) -> LandmarkSet:
    """Return the closest points on a mesh of `model`, as landmarks that move with it.

    Args:
        model: a face model.
        points: points near the mesh, in the frame of the vertices.
        vertices: a mesh of the model.
        metric: map of both to the space where they are compared, for a face in the model frame seen from
            about the front; its back and its folds, but those of the lips, are then left out.
    """
    triangles = model.topology.triangles
    for hidden in {"eyeballs", "mouth", "teeth", "tongue"} & model.regions.keys():
        # Observed points lie on skin: lids would otherwise be taken for the eyeballs behind them.
        triangles = triangles[~model.regions[hidden][triangles].any(axis=1)]
    if metric is not None:
        shown = facing(vertices[triangles]) > LEAST_FACING
        if "lips" in model.regions:
            shown |= model.regions["lips"][triangles].all(axis=1)
        triangles = triangles[shown]
        points, vertices = points @ metric, vertices @ metric
    chosen, weights = closest_on_triangles(points, vertices[triangles])
    corners = triangles[chosen]
    if model.surface is None:
        return LandmarkSet(corners, weights.astype(np.float32))
    rows = np.einsum("pk,pkn->pn", weights.astype(np.float32), _refined_rows(model)[corners])
    k = int((rows != 0).sum(axis=1).max())
    columns = np.argsort(rows == 0, axis=1, kind="stable")[:, :k]
    return LandmarkSet(
        model.surface.base[columns].astype(np.int32), np.take_along_axis(rows, columns, axis=1)
    )


def _refined_rows(model: MorphableModel) -> Float32[np.ndarray, "n_vertices n_used"]:
    """Return the weight of every used base vertex in every mesh vertex."""
    assert model.surface is not None
    return model.surface(np.eye(len(model.surface.base), dtype=np.float32))


def facing(triangles: Float[np.ndarray, "n 3 3"]) -> Float[np.ndarray, " n"]:
    """Return the cosine between each triangle and the view from the front, model frame."""
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    return normals[:, 2] / np.maximum(np.linalg.norm(normals, axis=1), 1e-12)


def closest_on_triangles(
    points: Float[np.ndarray, "n_points 3"], triangles: Float[np.ndarray, "n_triangles 3 3"]
) -> tuple[Int[np.ndarray, " n_points"], Float64[np.ndarray, "n_points 3"]]:
    """Return the closest triangle to each point, and the closest point on it in barycentric coordinates."""
    points, triangles = points.astype(np.float64), triangles.astype(np.float64)
    centres = triangles.mean(axis=1)
    chosen = np.zeros(len(points), np.int64)
    weights = np.zeros((len(points), 3))
    n_candidates = min(N_CANDIDATES, len(triangles))
    squares = (centres**2).sum(axis=1)
    for start in range(0, len(points), 256):
        part = points[start : start + 256]
        distance = squares - 2 * part @ centres.T
        near: Int[np.ndarray, "n k"] = np.argpartition(distance, n_candidates - 1, axis=1)[:, :n_candidates]
        repeated = np.repeat(part[:, None], n_candidates, axis=1).reshape(-1, 3)
        of_all, gap = _closest_on_each(repeated, triangles[near.ravel()])
        best = gap.reshape(near.shape).argmin(axis=1)
        rows = np.arange(len(part))
        chosen[start : start + 256] = near[rows, best]
        weights[start : start + 256] = of_all.reshape(*near.shape, 3)[rows, best]
    return chosen, weights


def _closest_on_each(
    points: Float64[np.ndarray, "n 3"], triangles: Float64[np.ndarray, "n 3 3"]
) -> tuple[Float64[np.ndarray, "n 3"], Float64[np.ndarray, " n"]]:
    """Return the closest point on each point's own triangle, barycentric, and its distance."""
    a, b, c = triangles[:, 0], triangles[:, 1], triangles[:, 2]
    ab, ac, ap = b - a, c - a, points - a
    d11, d12, d22 = (ab * ab).sum(1), (ab * ac).sum(1), (ac * ac).sum(1)
    e1, e2 = (ab * ap).sum(1), (ac * ap).sum(1)
    area = np.maximum(d11 * d22 - d12 * d12, 1e-12)
    v, w = (d22 * e1 - d12 * e2) / area, (d11 * e2 - d12 * e1) / area
    inside = (v >= 0) & (w >= 0) & (v + w <= 1)
    best = np.where(inside[:, None], np.stack([1 - v - w, v, w], axis=1), 0.0)
    gap = np.where(inside, _gap(points, triangles, best), np.inf)
    for i, j in ((0, 1), (1, 2), (2, 0)):
        start, along = triangles[:, i], triangles[:, j] - triangles[:, i]
        length = np.maximum((along * along).sum(1), 1e-12)
        share = np.clip(((points - start) * along).sum(1) / length, 0, 1)
        on_edge = np.zeros_like(best)
        on_edge[:, i], on_edge[:, j] = 1 - share, share
        edge_gap = _gap(points, triangles, on_edge)
        nearer = edge_gap < gap
        best[nearer], gap[nearer] = on_edge[nearer], edge_gap[nearer]
    return best, gap


def _gap(
    points: Float64[np.ndarray, "n 3"],
    triangles: Float64[np.ndarray, "n 3 3"],
    weights: Float64[np.ndarray, "n 3"],
) -> Float64[np.ndarray, " n"]:
    return np.linalg.norm(points - np.einsum("nk,nkc->nc", weights, triangles), axis=1)
