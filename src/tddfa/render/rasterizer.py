"""Meshes → fragments, by the native kernel where it is built and by NumPy elsewhere: the same pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tddfa.errors import InputError
from tddfa.render.fragments import Fragments
from tddfa.render.numpy_rasterizer import MAX_COORDINATE, rasterize_numpy
from tddfa.types import Mesh


def rasterize(meshes: Sequence[Mesh], height: int, width: int, *, cull_back: bool = False) -> Fragments:
    """The nearest surface of each pixel of a picture; all meshes share one z-buffer.

    A pixel belongs to the triangle that holds its centre; of two that share an edge through it, to the one
    whose top or left edge it is (corners are first snapped to 1/256 px, so this is exact: no cracks, nothing
    twice). The smallest z wins, on a tie the triangle that comes first.

    Args:
        meshes: in the image frame, px.
        height: of the picture, px.
        width: of the picture, px.
        cull_back: leave out triangles that face away from the camera.

    Raises:
        InputError: a vertex is not finite or more than 2^21 px away.
    """
    meshes = tuple(meshes)
    low, high = np.full(2, np.inf), np.full(2, -np.inf)
    for mesh in meshes:
        if len(mesh.triangles) and len(mesh.vertices):
            _check(mesh)
            low = np.minimum(low, mesh.vertices[:, :2].min(axis=0))
            high = np.maximum(high, mesh.vertices[:, :2].max(axis=0))
    if not np.isfinite(low).all():
        low, high = np.zeros(2), np.full(2, -1.0)
    # One pixel more, as snapping may carry a corner across a pixel's centre.
    x0, y0 = (int(v) for v in np.clip(np.floor(low) - 1, 0, [width, height]))
    x1, y1 = (int(v) for v in np.clip(np.ceil(high) + 2, [x0, y0], [max(width, x0), max(height, y0)]))
    counts = [len(m.vertices) for m in meshes]
    starts = np.cumsum([0, *counts[:-1]]) if counts else []
    vertices = np.concatenate([np.zeros((0, 3), np.float32), *(m.vertices for m in meshes)])
    triangles = np.concatenate(
        [
            np.zeros((0, 3), np.int32),
            *(m.triangles + np.int32(s) for m, s in zip(meshes, starts, strict=True)),
        ]
    )
    buffers = rasterize_numpy(vertices, triangles, (x0, y0, x1 - x0, y1 - y0), cull_back)
    return Fragments(meshes, x0, y0, *buffers)


def _check(mesh: Mesh) -> None:
    reach = np.abs(mesh.vertices).max()
    if not reach <= MAX_COORDINATE:  # also true for NaN
        raise InputError(
            f"a mesh reaches to {reach} px; vertices have to be finite and within {MAX_COORDINATE:.0f} px of "
            "the picture: is it in the image frame?"
        )
