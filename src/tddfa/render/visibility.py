"""Which vertices the camera sees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tddfa.render.kernel import kernel
from tddfa.render.kernel_values import DepthBuffer
from tddfa.render.rasterizer import back_to_front, scaled_region, screen_region
from tddfa.shapes import Bool, Float32, Int64
from tddfa.types import Face, Mesh

_COARSE = 100.0  # size of a mesh in its z-buffer, cells; a fraction of the pixels is enough
_TOLERANCE = 0.02  # depth under the surface at which a vertex still lies on it, in sizes of the mesh


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
        screen_region(self._meshes, height, width)  # refuses vertices that cannot be drawn
        self._order = back_to_front(faces)
        self._sizes = [
            float((high - low).max()) for low, high in (kernel.bounds(m.vertices) for m in self._meshes)
        ]
        self._buffers = [
            self._buffer(mesh, size) for mesh, size in zip(self._meshes, self._sizes, strict=True)
        ]

    def visible(self, index: int, chosen: Int64[np.ndarray, " n"] | None = None) -> Bool[np.ndarray, " n"]:
        """Return whether each chosen vertex of a face lies in the image with nothing in front of it.

        Args:
            index: which face.
            chosen: indices of vertices; all when not given.
        """
        vertices = self._meshes[index].vertices
        # At the outline the nearest cell may be empty; nothing hides a vertex there.
        tolerance = np.float32(_TOLERANCE * self._sizes[index])
        seen = kernel.visible(vertices, chosen, (self._height, self._width), self._buffers[index], tolerance)
        for front in self._order[self._order.index(index) + 1 :]:
            x, y = (vertices[:, k] if chosen is None else vertices[chosen, k] for k in range(2))
            seen &= ~_covers(self._buffers[front], x, y)
        return seen

    def _buffer(self, mesh: Mesh, size: float) -> DepthBuffer:
        scale = 1 / max(1, int(size / _COARSE))
        region = scaled_region(screen_region([mesh], self._height, self._width), scale)
        return DepthBuffer(scale, region, kernel.depth([mesh], region, scale))


def _covers(
    buffer: DepthBuffer, x: Float32[np.ndarray, " n"], y: Float32[np.ndarray, " n"]
) -> Bool[np.ndarray, " n"]:
    """Return whether a face covers points of the image, px."""
    x0, y0, width, height = buffer.region
    scale = np.float32(buffer.scale)
    column = np.rint(x * scale).astype(np.int64) - x0
    row = np.rint(y * scale).astype(np.int64) - y0
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    covered = np.zeros(len(x), bool)
    covered[inside] = buffer.depth[row[inside], column[inside]] < np.inf
    return covered
