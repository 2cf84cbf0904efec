"""Normals of triangles and vertices."""

from __future__ import annotations

import numpy as np

from tddfa import native
from tddfa.shapes import Float32, Float64, Int32


def triangle_normals(
    vertices: Float32[np.ndarray, "n_vertices 3"], triangles: Int32[np.ndarray, "n_triangles 3"]
) -> Float32[np.ndarray, "n_triangles 3"]:
    """Return the outward normal of each triangle, its length twice the triangle's area."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    return np.cross(b - a, c - a)


def vertex_normals(
    vertices: Float32[np.ndarray, "n_vertices 3"], triangles: Int32[np.ndarray, "n_triangles 3"]
) -> Float32[np.ndarray, "n_vertices 3"]:
    """Return the outward unit normal of each vertex: the area-weighted mean of its triangles' normals.

    A vertex without area around it has the normal 0.
    """
    if native.kernel is None:
        return plain_vertex_normals(vertices, triangles)
    vertices = np.ascontiguousarray(vertices, np.float32)
    triangles = np.ascontiguousarray(triangles, np.int32)
    out = np.empty_like(vertices)
    native.kernel.vertex_normals(len(vertices), len(triangles), vertices, triangles, out)
    return out


def plain_vertex_normals(
    vertices: Float32[np.ndarray, "n_vertices 3"], triangles: Int32[np.ndarray, "n_triangles 3"]
) -> Float32[np.ndarray, "n_vertices 3"]:
    """Return what `vertex_normals` returns, in NumPy."""
    weighted: Float32[np.ndarray, "n_triangles 3"] = triangle_normals(vertices, triangles)
    total: Float64[np.ndarray, "n_vertices 3"] = np.empty((len(vertices), 3))
    corner = triangles.ravel()
    for k in range(3):
        total[:, k] = np.bincount(corner, weights=np.repeat(weighted[:, k], 3), minlength=len(vertices))
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.divide(total, length, out=np.zeros_like(total), where=length > 0).astype(np.float32)
