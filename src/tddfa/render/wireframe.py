"""The `wireframe` overlay: the edges of the mesh that the camera sees."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from tddfa.imaging.draw import line_coverage
from tddfa.render.compose import Background, Picture, canvas, tint, window
from tddfa.render.visibility import DepthTest
from tddfa.shapes import Int64
from tddfa.types import Face, Image, Topology


def draw_wireframe(
    image: Image,
    faces: Sequence[Face],
    *,
    color: tuple[int, int, int] = (255, 255, 255),
    alpha: float = 0.5,
    thickness: int = 1,
    background: Background = "photo",
) -> Picture:
    """The picture with the visible edges of every face's mesh.

    Args:
        image: the photo.
        faces: whose meshes to draw.
        color: RGB.
        alpha: opacity of a line.
        thickness: px.
        background: what lies under the lines.
    """
    out = canvas(image, background)
    meshes = [face.mesh for face in faces]
    test = DepthTest(meshes, *image.shape[:2])
    for mesh in meshes:
        edges = _edges(mesh.topology)
        seen = test.visible(mesh, np.arange(len(mesh.vertices)))
        edges = edges[seen[edges].all(axis=1)]
        if not len(edges):
            continue
        lines = mesh.vertices[edges, :2]
        x0, y0, w, h = window(lines.reshape(-1, 2), thickness + 1, *image.shape[:2])
        coverage = line_coverage(list(lines - np.array([x0, y0], np.float32)), thickness, h, w)
        tint(out, coverage, color, alpha=alpha, x0=x0, y0=y0)
    return out


@lru_cache(maxsize=4)
def _edges(topology: Topology) -> Int64[np.ndarray, "n_edges 2"]:
    """Each edge of the triangles once."""
    t = topology.triangles.astype(np.int64)
    pairs = np.sort(np.concatenate([t[:, [0, 1]], t[:, [1, 2]], t[:, [2, 0]]]), axis=1)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    return np.unique(pairs, axis=0)
