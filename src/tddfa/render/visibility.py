"""Which vertices the camera sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tddfa.render.kernel import kernel
from tddfa.render.kernel_values import Region
from tddfa.render.rasterizer import back_to_front, scaled_region, screen_region
from tddfa.shapes import Bool, Float32, Int64
from tddfa.types import Face, Mesh

_COARSE = 100.0  # size of a mesh in its z-buffer, cells; a fraction of the pixels is enough
_TOLERANCE = 0.02  # depth under the surface at which a vertex still lies on it, in sizes of the mesh


@dataclass(frozen=True, slots=True, eq=False)
class _DepthBuffer:
    """The depth of one face in the cells of the part of the image that it covers."""

    scale: float
    region: Region
    depth: Float32[np.ndarray, "h w"]

    def at(
        self, x: Float32[np.ndarray, " n"], y: Float32[np.ndarray, " n"], *, beside: float
    ) -> Float32[np.ndarray, " n"]:
        """Return the depth at points of the image, px; infinite where the face is not.

        Args:
            x: px.
            y: px.
            beside: value for points beside the region; NaN for the value of its border.
        """
        x0, y0, width, height = self.region
        if width == 0 or height == 0:
            return np.full(len(x), np.inf, np.float32)
        scale = np.float32(self.scale)
        column = np.rint(x * scale).astype(np.int64) - x0
        row = np.rint(y * scale).astype(np.int64) - y0
        depth = self.depth[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
        if np.isnan(beside):
            return depth
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        return np.where(inside, depth, np.float32(beside))


class DepthTest:
    """What the faces of an image hide: each its own far side, and nearer faces the farther ones behind them.

    Args:
        faces: all that can hide one another.
        height: height of the image, px.
        width: width of the image, px.
    """

    def __init__(self, faces: Sequence[Face], height: int, width: int) -> None:
        self._height, self._width = height, width
        self._meshes = [face.mesh for face in faces]
        self._order = back_to_front(faces)
        self._sizes = [
            float((high - low).max()) for low, high in (kernel.bounds(m.vertices) for m in self._meshes)
        ]
        self._buffers = [
            self._buffer(mesh, size) for mesh, size in zip(self._meshes, self._sizes, strict=True)
        ]

    def visible(self, index: int, chosen: Int64[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """Return whether each chosen vertex of a face lies in the image with nothing in front of it."""
        x, y, z = (self._meshes[index].vertices[chosen, k] for k in range(3))
        seen = (x > -0.5) & (x < self._width - 0.5) & (y > -0.5) & (y < self._height - 0.5)
        # At the outline the nearest cell may be empty; nothing hides a vertex there.
        tolerance = np.float32(_TOLERANCE * self._sizes[index])
        seen &= z <= self._buffers[index].at(x, y, beside=np.nan) + tolerance
        for front in self._order[self._order.index(index) + 1 :]:
            seen &= self._buffers[front].at(x, y, beside=np.inf) == np.inf
        return seen

    def _buffer(self, mesh: Mesh, size: float) -> _DepthBuffer:
        scale = 1 / max(1, int(size / _COARSE))
        region = scaled_region(screen_region([mesh], self._height, self._width), scale)
        return _DepthBuffer(scale, region, kernel.depth([mesh], region, scale))
