"""The `2d_dense` overlay: the vertices that the camera sees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from tddfa.imaging.draw import dot_coverage
from tddfa.render.compose import Background, Picture, canvas, tint, window
from tddfa.render.rasterizer import rasterize
from tddfa.render.visibility import visible_vertices
from tddfa.types import Face, Image

_SPACING = 3.5  # one dot in a cell of this many times its side: closer ones run into one another


def draw_dense(
    image: Image,
    faces: Sequence[Face],
    *,
    color: tuple[int, int, int] = (0, 255, 255),
    alpha: float = 0.8,
    stride: int | None = None,
    background: Background = "photo",
) -> Picture:
    """The picture with a dot on the visible vertices of every face.

    Args:
        image: the photo.
        faces: whose vertices to draw.
        color: RGB.
        alpha: opacity of a dot.
        stride: draw every `stride`-th visible vertex; None for as many as stay apart.
        background: what lies under them.
    """
    out = canvas(image, background)
    meshes = [face.mesh for face in faces]
    fragments = rasterize(meshes, *image.shape[:2])
    for mesh in meshes:
        points = mesh.vertices[visible_vertices(mesh, fragments), :2]
        if not len(points):
            continue
        side = max(1, round(float(np.sqrt(np.prod(np.ptp(points, axis=0)))) / 220))
        points = points[::stride] if stride else _thinned(points, _SPACING * side)
        x0, y0, w, h = window(points, side + 1, *image.shape[:2])
        dots = dot_coverage(points - np.array([x0, y0], np.float32), side, h, w)
        tint(out, dots, color, alpha=alpha, x0=x0, y0=y0)
    return out


def _thinned(points: Float32[np.ndarray, "n 2"], cell: float) -> Float32[np.ndarray, "m 2"]:
    """Of the points in each square cell, the one nearest to its middle."""
    where = points / np.float32(cell)
    whole = np.floor(where).astype(np.int64)
    whole -= whole.min(axis=0)
    off_center = np.abs(where % 1 - np.float32(0.5)).max(axis=1)
    order = np.lexsort((off_center, whole[:, 0], whole[:, 1]))
    flat = (whole[:, 1] * (whole[:, 0].max() + 1) + whole[:, 0])[order]
    return points[order[np.flatnonzero(np.diff(flat, prepend=-1))]]
