"""Values at vertices and inside triangles: bounds, normals, light, in NumPy."""

from __future__ import annotations

import numpy as np

from tddfa.geometry.triangles import plain_vertex_normals
from tddfa.render.kernel_values import DepthBuffer
from tddfa.render.lighting import Light, UnitCube
from tddfa.shapes import Bool, Float32, Int32, Int64
from tddfa.types import Mesh


def weighted(
    values: Float32[np.ndarray, "n_vertices c"],
    corners: Int32[np.ndarray, "n 3"],
    barycentric: Float32[np.ndarray, "n 3"],
) -> Float32[np.ndarray, "n c"]:
    """Return vertex values at points inside triangles."""
    # As offsets from the first corner: a constant stays that constant to the last bit.
    first = values[corners[:, 0]]
    return (
        first
        + barycentric[:, 1:2] * (values[corners[:, 1]] - first)
        + barycentric[:, 2:3] * (values[corners[:, 2]] - first)
    )


def bounds(vertices: Float32[np.ndarray, "n 3"]) -> Float32[np.ndarray, "2 3"]:
    """Return smallest and largest coordinates of one vertex or more; NaN where one is not finite."""
    # Column by column: along the first axis NumPy takes ten times as long.
    out = np.array([[reduce(vertices[:, k]) for k in range(3)] for reduce in (np.min, np.max)], np.float32)
    out[:, ~np.isfinite(out).all(axis=0)] = np.nan
    return out


def visible(
    vertices: Float32[np.ndarray, "n_vertices 3"],
    chosen: Int64[np.ndarray, " n"] | None,
    image_size: tuple[int, int],
    buffer: DepthBuffer,
    tolerance: np.float32,
) -> Bool[np.ndarray, " n"]:
    """Return whether each chosen vertex lies in the image and not behind a surface.

    Args:
        vertices: image frame, px; finite.
        chosen: indices of vertices; None for all.
        image_size: height and width of the image, px.
        buffer: the surface; beside it counts what lies at its border.
        tolerance: depth under the surface at which a vertex still lies on it, px.
    """
    x, y, z = (vertices[:, k] if chosen is None else vertices[chosen, k] for k in range(3))
    height, width = image_size
    seen = (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)
    x0, y0, columns, rows = buffer.region
    if columns and rows:
        scale = np.float32(buffer.scale)
        column = np.rint(x * scale).astype(np.int64) - x0
        row = np.rint(y * scale).astype(np.int64) - y0
        nearest = buffer.depth[np.clip(row, 0, rows - 1), np.clip(column, 0, columns - 1)]
        seen &= z <= nearest + tolerance
    return seen


def vertex_normals(mesh: Mesh) -> Float32[np.ndarray, "n_vertices 3"]:
    """Return the outward unit normal of each vertex, image frame."""
    return plain_vertex_normals(mesh.vertices, mesh.triangles)


def phong(
    vertices: Float32[np.ndarray, "n 3"], normals: Float32[np.ndarray, "n 3"], light: Light
) -> Float32[np.ndarray, "n 1"]:
    """Return the brightness of each vertex, in [0, 1]; see `tddfa.render.lighting`."""
    cube = UnitCube.around(bounds(vertices))
    ambient, directional, specular = np.array([light.ambient, light.directional, light.specular], np.float32)
    to_lamp = [np.float32(light.position[k]) - cube.coordinate(vertices, k) for k in range(3)]
    square = (to_lamp[0] * to_lamp[0] + to_lamp[1] * to_lamp[1]) + to_lamp[2] * to_lamp[2]
    with np.errstate(invalid="ignore", divide="ignore"):  # a lamp on the surface
        per_length = np.float32(1) / np.sqrt(square)
        x, y, z = (component * per_length for component in to_lamp)
        nx, ny, nz = normals[:, 0], normals[:, 1], -normals[:, 2]
        cosine = (nx * x + ny * y) + nz * z
        twice = np.float32(2) * cosine
        powers = [_power(a * (twice * n - a), light.exponent) for a, n in ((x, nx), (y, ny), (z, nz))]
        highlight = (powers[0] + powers[1]) + powers[2]
        mirrored = np.where(cosine != 0, clamped(highlight), np.float32(0))
        return clamped((ambient + directional * clamped(cosine)) + specular * mirrored)[:, None]


def clamped(values: Float32[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """Return the values clipped to [0, 1]; 0 for what is not a number."""
    return np.clip(np.nan_to_num(values), np.float32(0), np.float32(1))


def _power(base: Float32[np.ndarray, " n"], exponent: int) -> Float32[np.ndarray, " n"]:
    result = base
    for _ in range(exponent - 1):
        result = result * base
    return result
