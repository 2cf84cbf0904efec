"""The kernel in C (`tddfa.native`): the functions of `numpy_kernel`, with the same results."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tddfa.geometry import triangles
from tddfa.imaging.sample import Reduced
from tddfa.native import WIDEST, _kernel
from tddfa.render.kernel_values import (
    EDGE_ON,
    PER_LIGHT,
    TRUSTED,
    Buffers,
    DepthBuffer,
    FaceView,
    Region,
    TexelLayout,
    coarse_levels,
)
from tddfa.render.lighting import Light, UnitCube
from tddfa.shapes import Bool, Float32, Int32, Int64, UInt8
from tddfa.types import Mesh


def rasterize(meshes: Sequence[Mesh], region: Region, *, cull_back: bool) -> Buffers:
    """Return the nearest triangle, the weights of its corners, and the depth of each pixel of a region."""
    _, _, width, height = region
    triangle = np.full((height, width), -1, np.int32)
    barycentric = np.zeros((height, width, 3), np.float32)
    depth = np.full((height, width), np.inf, np.float32)
    first = 0
    for mesh in meshes:
        _kernel.rasterize(*_mesh(mesh), *region, cull_back, first, triangle, barycentric, depth)
        first += len(mesh.triangles)
    return triangle, barycentric, depth


def depth(meshes: Sequence[Mesh], region: Region, scale: float) -> Float32[np.ndarray, "h w"]:
    """Return the depth of each pixel of a region of the scaled image; infinite where there is no surface."""
    _, _, width, height = region
    out = np.full((height, width), np.inf, np.float32)
    for mesh in meshes:
        _kernel.depth(*_mesh(mesh), *region, scale, out)
    return out


def interpolate(
    meshes: Sequence[Mesh], values: Sequence[Float32[np.ndarray, "_ c"]], region: Region, scale: float
) -> tuple[Float32[np.ndarray, "h w"], Float32[np.ndarray, "h w c"]]:
    """Return depth and vertex values of the surface at each pixel of a region of the scaled image."""
    _, _, width, height = region
    channels = values[0].shape[1]
    out = np.zeros((height, width, channels), np.float32)
    depth = np.full((height, width), np.inf, np.float32)
    for mesh, value in zip(meshes, values, strict=True):
        _kernel.interpolate(*_mesh(mesh), *region, scale, channels, np.ascontiguousarray(value), depth, out)
    return depth, out


def weighted(
    values: Float32[np.ndarray, "n_vertices c"],
    corners: Int32[np.ndarray, "n 3"],
    barycentric: Float32[np.ndarray, "n 3"],
) -> Float32[np.ndarray, "n c"]:
    """Return vertex values at points inside triangles."""
    channels = values.shape[1]
    out = np.empty((len(corners), channels), np.float32)
    arrays = [np.ascontiguousarray(a) for a in (values, corners, barycentric)]
    _kernel.weighted(len(values), channels, arrays[0], len(corners), arrays[1], arrays[2], out)
    return out


def bounds(vertices: Float32[np.ndarray, "n 3"]) -> Float32[np.ndarray, "2 3"]:
    """Return smallest and largest coordinates of one vertex or more; NaN where one is not finite."""
    out = np.empty((2, 3), np.float32)
    _kernel.bounds(len(vertices), np.ascontiguousarray(vertices), out)
    return out


def visible(
    vertices: Float32[np.ndarray, "n_vertices 3"],
    chosen: Int64[np.ndarray, " n"] | None,
    image_size: tuple[int, int],
    buffer: DepthBuffer,
    tolerance: np.float32,
) -> Bool[np.ndarray, " n"]:
    """Return whether each chosen vertex lies in the image and not behind a surface; see `numpy_kernel`."""
    out = np.empty(len(vertices) if chosen is None else len(chosen), np.bool_)
    _kernel.visible(
        *(len(vertices), np.ascontiguousarray(vertices), len(out)),
        chosen if chosen is None else np.ascontiguousarray(chosen),
        *(image_size[1], image_size[0], buffer.region, buffer.scale),
        *(np.ascontiguousarray(buffer.depth), float(tolerance), out),
    )
    return out


def vertex_normals(mesh: Mesh) -> Float32[np.ndarray, "n_vertices 3"]:
    """Return the outward unit normal of each vertex, image frame."""
    return triangles.vertex_normals(mesh.vertices, mesh.triangles)


def phong(
    vertices: Float32[np.ndarray, "n 3"],
    normals: Float32[np.ndarray, "n 3"],
    light: Light,
    *,
    widest: int = WIDEST,
) -> Float32[np.ndarray, "n 1"]:
    """Return the brightness of each vertex, in [0, 1]; see `tddfa.render.lighting`."""
    cube = UnitCube.around(bounds(vertices))
    out = np.empty((len(vertices), 1), np.float32)
    _kernel.phong(
        len(vertices),
        np.ascontiguousarray(vertices),
        np.ascontiguousarray(normals),
        tuple(cube.low.tolist()),
        tuple(cube.half.tolist()),
        float(cube.scale),
        (light.ambient, light.directional, light.specular, *light.position),
        light.exponent,
        widest,
        out,
    )
    return out


def paint(
    canvas: UInt8[np.ndarray, "height width channels"],
    image: UInt8[np.ndarray, "height width 3"] | None,
    mesh: Mesh,
    values: Float32[np.ndarray, "n_vertices c"],
    region: Region,
    alpha: float,
) -> None:
    """Draw a mesh over a canvas, in place; see `numpy_kernel.paint`."""
    _, _, width, height = region
    depth = np.full((height, width), np.inf, np.float32)
    # Over black nothing shines through, and the colour is whole.
    shares = (alpha, 1 - alpha) if image is not None else (1.0, 0.0)
    _kernel.paint(
        *(*_mesh(mesh), *region, values.shape[1], np.ascontiguousarray(values), depth),
        *(canvas.shape[1], canvas.shape[0], canvas.shape[2], canvas),
        *(image if image is None else np.ascontiguousarray(image), *shares, round(255 * alpha)),
    )


def blend(
    canvas: UInt8[np.ndarray, "height width channels"],
    image: UInt8[np.ndarray, "height width 3"] | None,
    origin: tuple[int, int],
    mask: Bool[np.ndarray, "h w"],
    values: Float32[np.ndarray, "h w c"],
    alpha: float,
) -> None:
    """Lay grey or RGB values over the part of a canvas that starts at `origin`, in place."""
    _kernel.blend(
        *(*canvas.shape, canvas, image if image is None else np.ascontiguousarray(image), *origin),
        *(*mask.shape, np.ascontiguousarray(mask), values.shape[2], np.ascontiguousarray(values)),
        *(float(np.float32(alpha)), float(np.float32(1 - alpha)), round(255 * alpha)),
    )


def direction_colors(vectors: Float32[np.ndarray, "*shape 3"]) -> Float32[np.ndarray, "*shape 3"]:
    """Return directions in the image frame as colours; see `numpy_kernel.direction_colors`."""
    out = np.empty(vectors.shape, np.float32)
    _kernel.direction_colors(vectors.size // 3, np.ascontiguousarray(vectors), out)
    return out


def blend_color(
    canvas: UInt8[np.ndarray, "height width channels"],
    coverage: UInt8[np.ndarray, "h w"],
    color: tuple[int, int, int],
    alpha: float,
    origin: tuple[int, int],
) -> None:
    """Lay a colour over the part of a canvas that starts at `origin`, in place; see `compose.blend_color`."""
    _kernel.blend_color(
        *(*canvas.shape, canvas, *origin, *coverage.shape),
        *(np.ascontiguousarray(coverage), color, float(np.float32(alpha / 255))),
    )


def recolor(
    canvas: UInt8[np.ndarray, "height width 3"],
    pixels: Int64[np.ndarray, " n"],
    tables: UInt8[np.ndarray, "3 256"],
) -> None:
    """Send some pixels of a canvas through a table, in place; see `numpy_kernel.recolor`."""
    n_pixels = canvas.shape[0] * canvas.shape[1]
    _kernel.recolor(n_pixels, canvas, len(pixels), np.ascontiguousarray(pixels), np.ascontiguousarray(tables))


def texels(
    mesh: Mesh,
    normals: Float32[np.ndarray, "n_vertices 3"],
    layout: TexelLayout,
    part: Reduced,
    view: FaceView,
) -> tuple[Float32[np.ndarray, "3 size size"], Float32[np.ndarray, "size size"]]:
    """Return the colours of the texels of a mesh, and the trust in them; see `numpy_kernel.texels`."""
    size = layout.size
    colors = np.zeros((3, size, size), np.float32)
    trust = np.zeros((size, size), np.float32)
    per_px = np.float32(view.scale)
    _kernel.texels(
        *(len(mesh.vertices), np.ascontiguousarray(mesh.vertices), np.ascontiguousarray(normals)),
        *(len(layout.texel_index), size * size, layout.texel_index, layout.corners, layout.weights),
        *(*part.image.shape[:2], np.ascontiguousarray(part.image)),
        (*part.scale.tolist(), *part.shift.tolist()),
        (view.image_size[1], view.image_size[0]),
        (float(EDGE_ON), float(TRUSTED)),
        (float(per_px), float(np.float32(1) / per_px)),
        view.region,
        *(view.depth, view.edge_distance, colors, trust),
    )
    return colors, trust


def complete(
    colors: Float32[np.ndarray, "3 size size"],
    trust: Float32[np.ndarray, "size size"],
    *,
    symmetric: bool,
    widest: int = WIDEST,
) -> UInt8[np.ndarray, "size size 3"]:
    """Return a texture without holes; see `numpy_kernel.complete`."""
    size = len(trust)
    out = np.empty((size, size, 3), np.uint8)
    arrays = np.ascontiguousarray(colors), np.ascontiguousarray(trust)
    levels, smooth = (size - 1).bit_length(), coarse_levels(size)
    _kernel.complete(size, levels, *arrays, symmetric, smooth, float(PER_LIGHT), widest, out)
    return out


def _mesh(
    mesh: Mesh,
) -> tuple[int, int, Float32[np.ndarray, "n_vertices 3"], Int32[np.ndarray, "n_triangles 3"]]:
    vertices = np.ascontiguousarray(mesh.vertices, np.float32)
    triangles = np.ascontiguousarray(mesh.triangles, np.int32)
    return len(vertices), len(triangles), vertices, triangles
