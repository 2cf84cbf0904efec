"""Which vertices the camera sees."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float32

from tddfa.geometry.triangles import vertex_normals
from tddfa.render.fragments import Fragments
from tddfa.types import Mesh

_MAX_SLOPE = 10.0  # beyond it a surface is seen edge-on


def visible_vertices(mesh: Mesh, fragments: Fragments) -> Bool[np.ndarray, " n_vertices"]:
    """Whether each vertex faces the camera, lies in the picture and has nothing before it.

    Args:
        mesh: one of the meshes of `fragments`.
        fragments: the nearest surface of each pixel.
    """
    h, w = fragments.triangle.shape
    normals = vertex_normals(mesh.vertices, mesh.triangles)
    seen = normals[:, 2] < 0
    column, row = (np.rint(mesh.vertices[:, :2]).astype(np.int64) - [fragments.x0, fragments.y0]).T
    seen &= (column >= 0) & (column < w) & (row >= 0) & (row < h)
    # At most 0.71 px lie between a vertex and the centre of its pixel: the surface may rise that much.
    slope = np.hypot(normals[seen, 0], normals[seen, 1]) / np.maximum(-normals[seen, 2], 1 / _MAX_SLOPE)
    nearest: Float32[np.ndarray, " n_seen"] = fragments.depth[row[seen], column[seen]]
    seen[seen] = mesh.vertices[seen, 2] <= nearest + 0.71 * np.minimum(slope, _MAX_SLOPE) + 0.5
    return seen
