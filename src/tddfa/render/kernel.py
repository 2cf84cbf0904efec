"""The seam between the native kernel and its twin in NumPy: one of them, with the same results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from tddfa import native
from tddfa.imaging.sample import Reduced
from tddfa.render import numpy_kernel
from tddfa.render.kernel_values import Buffers, DepthBuffer, FaceView, Region, TexelLayout
from tddfa.render.lighting import Light
from tddfa.shapes import Bool, Float32, Int32, Int64, UInt8
from tddfa.types import Mesh


@runtime_checkable
class Kernel(Protocol):
    """What drawing needs to be fast; the docstrings of `numpy_kernel` are the specification."""

    def rasterize(self, meshes: Sequence[Mesh], region: Region, *, cull_back: bool) -> Buffers:
        """Return triangle, weights of its corners, and depth of each pixel of a region."""
        ...

    def depth(self, meshes: Sequence[Mesh], region: Region, scale: float) -> Float32[np.ndarray, "h w"]:
        """Return the depth of each pixel of a region of the scaled image."""
        ...

    def interpolate(
        self,
        meshes: Sequence[Mesh],
        values: Sequence[Float32[np.ndarray, "_ c"]],
        region: Region,
        scale: float,
    ) -> tuple[Float32[np.ndarray, "h w"], Float32[np.ndarray, "h w c"]]:
        """Return depth and vertex values of the surface at each pixel of a region of the scaled image."""
        ...

    def weighted(
        self,
        values: Float32[np.ndarray, "n_vertices c"],
        corners: Int32[np.ndarray, "n 3"],
        barycentric: Float32[np.ndarray, "n 3"],
    ) -> Float32[np.ndarray, "n c"]:
        """Return vertex values at points inside triangles."""
        ...

    def bounds(self, vertices: Float32[np.ndarray, "n 3"]) -> Float32[np.ndarray, "2 3"]:
        """Return smallest and largest coordinates; NaN where one is not finite."""
        ...

    def visible(
        self,
        vertices: Float32[np.ndarray, "n_vertices 3"],
        chosen: Int64[np.ndarray, " n"] | None,
        image_size: tuple[int, int],
        buffer: DepthBuffer,
        tolerance: np.float32,
    ) -> Bool[np.ndarray, " n"]:
        """Return whether each chosen vertex lies in the image and not behind a surface."""
        ...

    def vertex_normals(self, mesh: Mesh) -> Float32[np.ndarray, "n_vertices 3"]:
        """Return the outward unit normal of each vertex, image frame."""
        ...

    def phong(
        self, vertices: Float32[np.ndarray, "n 3"], normals: Float32[np.ndarray, "n 3"], light: Light
    ) -> Float32[np.ndarray, "n 1"]:
        """Return the brightness of each vertex, in [0, 1]."""
        ...

    def paint(
        self,
        canvas: UInt8[np.ndarray, "height width channels"],
        image: UInt8[np.ndarray, "height width 3"] | None,
        mesh: Mesh,
        values: Float32[np.ndarray, "n_vertices c"],
        region: Region,
        alpha: float,
    ) -> None:
        """Draw a mesh over a canvas, in place."""
        ...

    def blend(
        self,
        canvas: UInt8[np.ndarray, "height width channels"],
        image: UInt8[np.ndarray, "height width 3"] | None,
        origin: tuple[int, int],
        mask: Bool[np.ndarray, "h w"],
        values: Float32[np.ndarray, "h w c"],
        alpha: float,
    ) -> None:
        """Lay grey or RGB values over a part of a canvas, in place."""
        ...

    def direction_colors(self, vectors: Float32[np.ndarray, "*shape 3"]) -> Float32[np.ndarray, "*shape 3"]:
        """Return directions in the image frame as colours."""
        ...

    def blend_color(
        self,
        canvas: UInt8[np.ndarray, "height width channels"],
        coverage: UInt8[np.ndarray, "h w"],
        color: tuple[int, int, int],
        alpha: float,
        origin: tuple[int, int],
    ) -> None:
        """Lay a colour over a part of a canvas, in place."""
        ...

    def recolor(
        self,
        canvas: UInt8[np.ndarray, "height width 3"],
        pixels: Int64[np.ndarray, " n"],
        tables: UInt8[np.ndarray, "3 256"],
    ) -> None:
        """Send some pixels of a canvas through a table, in place."""
        ...

    def texels(
        self,
        mesh: Mesh,
        normals: Float32[np.ndarray, "n_vertices 3"],
        layout: TexelLayout,
        part: Reduced,
        view: FaceView,
    ) -> tuple[Float32[np.ndarray, "3 size size"], Float32[np.ndarray, "size size"]]:
        """Return the colours of the texels of a mesh, and the trust in them."""
        ...

    def complete(
        self,
        colors: Float32[np.ndarray, "3 size size"],
        trust: Float32[np.ndarray, "size size"],
        *,
        symmetric: bool,
    ) -> UInt8[np.ndarray, "size size 3"]:
        """Return a texture without holes."""
        ...


def _choose() -> Kernel:
    if native.kernel is None:
        return numpy_kernel
    from tddfa.render import native_kernel

    return native_kernel


kernel = _choose()
