"""Meshes → the nearest surface of each pixel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tddfa.errors import InputError
from tddfa.render.fragments import Fragments
from tddfa.render.kernel import kernel
from tddfa.render.numpy_kernel import MAX_COORDINATE, Region
from tddfa.shapes import Bool, Float32
from tddfa.types import Mesh


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """Values on the visible surface in the part of a picture that the meshes can reach.

    Attributes:
        x0: column of the picture that is column 0 here.
        y0: row of the picture that is row 0 here.
        mask: where there is a surface.
        values: on it; 0 elsewhere.
    """

    x0: int
    y0: int
    mask: Bool[np.ndarray, "h w"]
    values: Float32[np.ndarray, "h w c"]


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
    region = reach(meshes, height, width)
    return Fragments(meshes, region[0], region[1], *kernel.rasterize(meshes, region, cull_back=cull_back))


def draw_values(
    meshes: Sequence[Mesh], values: Sequence[Float32[np.ndarray, "_ c"]], height: int, width: int
) -> Layer:
    """Values of the vertices at the nearest surface of each pixel; `rasterize` says which that is.

    Args:
        meshes: in the image frame, px.
        values: one array per mesh, one row per vertex.
        height: of the picture, px.
        width: of the picture, px.

    Raises:
        InputError: a vertex is not finite or more than 2^21 px away.
    """
    region = reach(meshes, height, width)
    if not meshes:
        return Layer(0, 0, np.zeros((0, 0), bool), np.zeros((0, 0, 1), np.float32))
    depth, drawn = kernel.interpolate(meshes, values, region, 1.0)
    return Layer(region[0], region[1], depth < np.inf, drawn)


def reach(meshes: Sequence[Mesh], height: int, width: int) -> Region:
    """The part of a picture that the meshes can reach.

    Raises:
        InputError: a vertex is not finite or more than 2^21 px away.
    """
    low, high = np.full(2, np.inf), np.full(2, -np.inf)
    for mesh in meshes:
        if len(mesh.triangles) and len(mesh.vertices):
            mesh_low, mesh_high = kernel.bounds(mesh.vertices)
            _check(mesh_low, mesh_high)
            low, high = np.minimum(low, mesh_low[:2]), np.maximum(high, mesh_high[:2])
    if not np.isfinite(low).all():
        return 0, 0, 0, 0
    # One pixel more, as snapping may carry a corner across a pixel's centre.
    x0, y0 = (int(v) for v in np.clip(np.floor(low) - 1, 0, [width, height]))
    x1, y1 = (int(v) for v in np.clip(np.ceil(high) + 2, [x0, y0], [width, height]))
    return x0, y0, x1 - x0, y1 - y0


def scaled_region(region: Region, scale: float) -> Region:
    """The part of the scaled picture that holds a part of the picture."""
    x0, y0 = (int(v * scale) for v in region[:2])
    x1, y1 = (math.ceil((v + side) * scale) + 2 for v, side in zip(region[:2], region[2:], strict=True))
    return x0, y0, x1 - x0, y1 - y0


def _check(low: Float32[np.ndarray, "3"], high: Float32[np.ndarray, "3"]) -> None:
    farthest = np.maximum(np.abs(low), np.abs(high)).max()
    if not farthest <= MAX_COORDINATE:  # also true for NaN
        raise InputError(
            f"a mesh reaches to {farthest} px; vertices have to be finite and within {MAX_COORDINATE:.0f} px "
            "of the picture: is it in the image frame?"
        )
