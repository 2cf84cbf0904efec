"""Light on a head: lamps with shadows, a sky, and how much of it each place sees."""

from __future__ import annotations

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.geometry.triangles import vertex_normals
from tddfa.render.rasterizer import rasterize
from tddfa.shapes import Float32, Float64
from tddfa.types import Mesh

_SHADOW_SIDES = (64, 256)
_OCCLUSION_SIDE = 96
_N_DIRECTIONS = 12
_BIAS, _BIAS_CELLS = 0.015, 1.5  # of the side of a map, and in its cells


@dataclass(frozen=True, slots=True, eq=False)
class Lamp:
    """A lamp far away.

    Attributes:
        direction: towards it, image frame, unit length.
        color: linear RGB, with its strength.
        soft: width of the border of its shadows, in parts of the size of the head.
    """

    direction: Float64[np.ndarray, "3"]
    color: Float64[np.ndarray, "3"]
    soft: float


class DepthMap:
    """What a lamp sees of a mesh: the nearest surface along its rays.

    Args:
        mesh: in any frame.
        direction: towards the lamp, unit length.
        side: resolution.
    """

    def __init__(self, mesh: Mesh, direction: Float64[np.ndarray, "3"], side: int) -> None:
        axis = np.array([0.0, 1.0, 0.0]) if abs(direction[1]) < 0.9 else np.array([1.0, 0.0, 0.0])
        right = np.cross(axis, direction)
        right /= np.linalg.norm(right)
        # Rows: the lamp's image, and the distance from the lamp.
        self._R = np.stack([right, np.cross(direction, right), -direction]).astype(np.float32)
        turned = mesh.vertices @ self._R.T
        low, high = turned[:, :2].min(axis=0) - 1, turned[:, :2].max(axis=0) + 1
        self._scale = np.float32((side - 3) / float((high - low).max()))
        self._low = low
        fragments = rasterize([Mesh(self._in_map(turned), mesh.topology)], side, side)
        self._depth = np.full((side, side), np.inf, np.float32)
        self._depth[fragments.region] = fragments.depth

    def _in_map(self, turned: Float32[np.ndarray, "n 3"]) -> Float32[np.ndarray, "n 3"]:
        out = turned * self._scale
        out[:, :2] += 1 - self._low * self._scale
        return np.ascontiguousarray(out, np.float32)

    def visible(self, points: Float32[np.ndarray, "n 3"], blur: int = 0) -> Float32[np.ndarray, " n"]:
        """Return which part of the light reaches points, 0 to 1.

        Args:
            points: image frame, px.
            blur: how many cells of the map around the point count, in each direction.
        """
        at = self._in_map(points @ self._R.T)
        side = self._depth.shape[0]
        column, row = np.clip(np.rint(at[:, :2]).astype(np.int32), blur, side - 1 - blur).T
        # A sloping surface crosses a cell at several depths and would shade itself.
        near = at[:, 2] - np.float32(max(_BIAS_CELLS * (1 + blur), _BIAS * side))
        steps = range(-blur, blur + 1)
        total = np.zeros(len(points), np.float32)
        for dy in steps:
            for dx in steps:
                total += self._depth[row + dy, column + dx] >= near
        return total / np.float32((2 * blur + 1) ** 2)


def lamp_visibility(mesh: Mesh, lamp: Lamp, points: Float32[np.ndarray, "n 3"]) -> Float32[np.ndarray, " n"]:
    """Return which part of a lamp's light reaches points of a mesh, 0 to 1."""
    # A cell and its neighbours count: coarse maps have soft shadows.
    side = int(np.clip(1.5 / lamp.soft, _SHADOW_SIDES[0], _SHADOW_SIDES[1]))
    return DepthMap(mesh, lamp.direction, side).visible(points, blur=1)


def ambient_visibility(mesh: Mesh) -> Float32[np.ndarray, " n"]:
    """Return which part of the surroundings the vertices of a mesh see, weighted by the cosine, 0 to 1.

    Source: Zhukov, Iones and Kronin, "An ambient light illumination model", 1998.
    """
    normals = vertex_normals(mesh.vertices, mesh.triangles)
    total = np.full(len(normals), 1e-6, np.float32)
    seen = np.zeros(len(normals), np.float32)
    for direction in _sphere(_N_DIRECTIONS):
        cosine = np.clip(normals @ direction.astype(np.float32), 0, None)
        total += cosine
        seen += cosine * DepthMap(mesh, direction, _OCCLUSION_SIDE).visible(mesh.vertices)
    return seen / total


def _sphere(n: int) -> Float64[np.ndarray, "n 3"]:
    """Return directions spread evenly (Fibonacci's spiral)."""
    k = np.arange(n) + 0.5
    height, angle = 1 - 2 * k / n, np.pi * (1 + 5**0.5) * k
    radius = np.sqrt(1 - height**2)
    return np.column_stack([radius * np.cos(angle), height, radius * np.sin(angle)])
