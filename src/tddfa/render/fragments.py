"""The result of a rasteriser: the nearest triangle of each pixel, the place in it, and its depth."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.render.kernel import kernel
from tddfa.render.numpy_kernel import joined_triangles
from tddfa.shapes import Bool, Float32, Int32, Int64
from tddfa.types import Mesh


@dataclass(frozen=True, eq=False)
class Fragments:
    """The visible surface in the part of an image that the meshes cover.

    Attributes:
        meshes: what was drawn.
        x0: column of the image that is column 0 here.
        y0: row of the image that is row 0 here.
        triangle: the nearest triangle of each pixel, counted through all meshes; −1 where there is none.
        barycentric: weights of that triangle's corners at the pixel's centre; 0 where there is none.
        depth: z at the pixel's centre, px away from the camera; infinite where there is no triangle.
    """

    meshes: tuple[Mesh, ...]
    x0: int
    y0: int
    triangle: Int32[np.ndarray, "h w"]
    barycentric: Float32[np.ndarray, "h w 3"]
    depth: Float32[np.ndarray, "h w"]

    @property
    def region(self) -> tuple[slice, slice]:
        """Rows and columns of the image: `image[fragments.region]` lies under the fragments."""
        h, w = self.triangle.shape
        return slice(self.y0, self.y0 + h), slice(self.x0, self.x0 + w)

    @cached_property
    def mask(self) -> Bool[np.ndarray, "h w"]:
        """Pixels with a surface."""
        return self.triangle >= 0

    @cached_property
    def covered(self) -> Int64[np.ndarray, " n_covered"]:
        """Flat indices of the pixels that show a surface."""
        return np.flatnonzero(self.mask)

    @cached_property
    def corners(self) -> Int32[np.ndarray, "n_covered 3"]:
        """The vertices, counted through all meshes, of the triangle at each covered pixel."""
        return joined_triangles(self.meshes)[self.triangle.ravel()[self.covered]]

    @cached_property
    def mesh_index(self) -> Int64[np.ndarray, " n_covered"]:
        """Index of the mesh that each covered pixel shows."""
        ends = np.cumsum([len(m.triangles) for m in self.meshes])
        return np.searchsorted(ends, self.triangle.ravel()[self.covered], side="right")

    def interpolate(self, values: Sequence[Float32[np.ndarray, "_ c"]]) -> Float32[np.ndarray, "n_covered c"]:
        """Return vertex values at the centres of the covered pixels.

        Args:
            values: one array per mesh, one row per vertex.
        """
        if not values:
            return np.zeros((0, 1), np.float32)
        weights = self.barycentric.reshape(-1, 3)[self.covered]
        return kernel.weighted(np.concatenate(values), self.corners, weights)
