"""Rims of eyelids: thinner than a pixel and edge-on to the viewer, they are lit like the lids they end."""

from __future__ import annotations

import numpy as np

from tddfa.geometry.percentiles import row_medians
from tddfa.geometry.triangles import vertex_normals
from tddfa.shapes import Bool, Float32, Int32, Int64

_RINGS = 5
"""Rings of base vertices from the border of a lid, inside, to where it faces the viewer."""
_FACING = 0.65
"""Cosine between a lid and the viewer from which on its own light counts."""


def lit_as(
    mean: Float32[np.ndarray, "n 3"],
    triangles: Int32[np.ndarray, "n_triangles 3"],
    on_lids: Bool[np.ndarray, " n"],
    level: int,
) -> Int32[np.ndarray, " n"]:
    """Return for each vertex the one whose light it has: itself, but on the rims of lids.

    Args:
        mean: the mean face, model frame, mm.
        triangles: of its mesh.
        on_lids: vertices of the eyelids.
        level: how often the base mesh is refined.
    """
    sides = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]).astype(
        np.int64
    )
    sides = sides[on_lids[sides].all(axis=1)]
    codes, count = np.unique(np.sort(sides, axis=1) @ [len(mean), 1], return_counts=True)
    near = np.zeros(len(mean), bool)
    near[np.stack(np.divmod(codes[count == 1], len(mean)))] = True
    near &= _inner(mean, near)
    edges = np.concatenate([sides, sides[:, ::-1]])
    for _ in range(_RINGS * 2**level):
        near[edges[near[edges[:, 1]], 0]] = True
    rim = near & (vertex_normals(mean, triangles)[:, 2] < _FACING)
    return _nearest(mean, edges, rim)


def _inner(mean: Float32[np.ndarray, "n 3"], border: Bool[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Return the vertices near the border around an eye, which is nearer its middle than the outer one."""
    near = np.zeros(len(mean), bool)
    for side in (mean[:, 0] > 0, mean[:, 0] < 0):
        middle = mean[border & side].mean(axis=0)
        distance = np.linalg.norm((mean - middle)[:, :2], axis=1)
        usual = row_medians(distance[None, border & side])[0]
        near |= side & (distance < usual * 1.3)
    return near


def _nearest(
    mean: Float32[np.ndarray, "n 3"], edges: Int64[np.ndarray, "m 2"], rim: Bool[np.ndarray, " n"]
) -> Int32[np.ndarray, " n"]:
    """Return for each vertex of a rim the vertex beyond it, along the shortest edges."""
    source, unknown = np.arange(len(mean)), rim.copy()
    lengths = np.linalg.norm(mean[edges[:, 0]] - mean[edges[:, 1]], axis=1)
    edges = edges[np.argsort(-lengths, kind="stable")]  # the shortest comes last, and stays
    while True:
        open_edges = edges[unknown[edges[:, 0]] & ~unknown[edges[:, 1]]]
        if not len(open_edges):
            return source.astype(np.int32)
        source[open_edges[:, 0]] = source[open_edges[:, 1]]
        unknown[open_edges[:, 0]] = False
