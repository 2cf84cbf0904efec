"""Which vertices the camera sees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tddfa.render.kernel import kernel
from tddfa.render.rasterizer import reach, scaled_region
from tddfa.shapes import Bool, Int64
from tddfa.types import Mesh

_COARSE = 100.0  # px: a z-buffer in which a mesh is this large says well enough what hides what
_TOLERANCE = 0.02  # of the size of a mesh: how far under the surface a vertex still counts as on it


class DepthTest:
    """What hides what in a picture.

    Args:
        meshes: all that can hide one another, in the image frame.
        height: of the picture, px.
        width: of the picture, px.
    """

    def __init__(self, meshes: Sequence[Mesh], height: int, width: int) -> None:
        self._height, self._width = height, width
        sizes = [float((high - low).max()) for low, high in (kernel.bounds(m.vertices) for m in meshes)]
        smallest = min(sizes, default=0.0)
        self._tolerance = np.float32(_TOLERANCE * smallest)
        # A fraction of the pixels is enough, and a fraction of the work.
        self._scale = 1 / max(1, int(smallest / _COARSE))
        self._region = scaled_region(reach(meshes, height, width), self._scale)
        self._depth = kernel.depth(meshes, self._region, self._scale)

    def visible(self, mesh: Mesh, chosen: Int64[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """Whether each of the chosen vertices of a mesh lies in the picture with nothing before it."""
        x, y, z = (mesh.vertices[chosen, k] for k in range(3))
        seen = (x > -0.5) & (x < self._width - 0.5) & (y > -0.5) & (y < self._height - 0.5)
        x0, y0, width, height = self._region
        scale = np.float32(self._scale)
        column = np.clip(np.rint(x * scale).astype(np.int64) - x0, 0, width - 1)
        row = np.clip(np.rint(y * scale).astype(np.int64) - y0, 0, height - 1)
        # At the outline the nearest cell may be empty; nothing hides a vertex there.
        return seen & (z <= self._depth[row, column] + self._tolerance)
