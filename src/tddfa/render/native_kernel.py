"""The kernel in C (`tddfa.native`): the functions of `numpy_kernel`, with the same results."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tddfa.imaging.sample import Reduced
from tddfa.native import WIDEST, _kernel
from tddfa.render.lighting import Light, UnitCube
from tddfa.render.numpy_kernel import (
    EDGE_ON,
    PER_LIGHT,
    TRUSTED,
    Buffers,
    Layout,
    Region,
    View,
    coarse_levels,
)
from tddfa.shapes import Float32, Int32, Int64, UInt8
from tddfa.types import Mesh


def rasterize(meshes: Sequence[Mesh], region: Region, *, cull_back: bool) -> Buffers:
    """The nearest triangle, the weights of its corners, and the depth of each pixel of a region."""
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
    """The depth of each pixel of a region of the scaled picture; infinite where there is no surface."""
    _, _, width, height = region
    out = np.full((height, width), np.inf, np.float32)
    for mesh in meshes:
        _kernel.depth(*_mesh(mesh), *region, scale, out)
    return out


def interpolate(
    meshes: Sequence[Mesh], values: Sequence[Float32[np.ndarray, "_ c"]], region: Region, scale: float
) -> tuple[Float32[np.ndarray, "h w"], Float32[np.ndarray, "h w c"]]:
    """The depth of each pixel of a region of the scaled picture, and the vertex values of that surface."""
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
    """Vertex values at places inside triangles."""
    channels = values.shape[1]
    out = np.empty((len(corners), channels), np.float32)
    arrays = [np.ascontiguousarray(a) for a in (values, corners, barycentric)]
    _kernel.weighted(len(values), channels, arrays[0], len(corners), arrays[1], arrays[2], out)
    return out


def bounds(vertices: Float32[np.ndarray, "n 3"]) -> Float32[np.ndarray, "2 3"]:
    """Smallest and largest coordinates of one vertex or more; NaN where one is not finite."""
    out = np.empty((2, 3), np.float32)
    _kernel.bounds(len(vertices), np.ascontiguousarray(vertices), out)
    return out


def vertex_normals(mesh: Mesh) -> Float32[np.ndarray, "n_vertices 3"]:
    """The outward unit normal of each vertex, image frame."""
    out = np.empty((len(mesh.vertices), 3), np.float32)
    _kernel.vertex_normals(*_mesh(mesh), out)
    return out


def phong(
    vertices: Float32[np.ndarray, "n 3"],
    normals: Float32[np.ndarray, "n 3"],
    light: Light,
    *,
    widest: int = WIDEST,
) -> Float32[np.ndarray, "n 1"]:
    """Brightness of each vertex, in [0, 1]; see `tddfa.render.lighting`."""
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
    picture: UInt8[np.ndarray, "height width channels"],
    photo: UInt8[np.ndarray, "height width 3"] | None,
    meshes: Sequence[Mesh],
    values: Sequence[Float32[np.ndarray, "_ c"]],
    region: Region,
    alpha: float,
) -> None:
    """Draw meshes into a picture, in place; see `numpy_kernel.paint`."""
    _, _, width, height = region
    depth = np.full((height, width), np.inf, np.float32)
    # Over black nothing shines through, and the colour is whole.
    shares = (alpha, 1 - alpha) if photo is not None else (1.0, 0.0)
    for mesh, value in zip(meshes, values, strict=True):
        _kernel.paint(
            *(*_mesh(mesh), *region, value.shape[1], np.ascontiguousarray(value), depth),
            *(picture.shape[1], picture.shape[0], picture.shape[2], picture),
            *(photo if photo is None else np.ascontiguousarray(photo), *shares, round(255 * alpha)),
        )


def tint(
    picture: UInt8[np.ndarray, "height width channels"],
    coverage: UInt8[np.ndarray, "h w"],
    color: tuple[int, int, int],
    alpha: float,
    origin: tuple[int, int],
) -> None:
    """Lay a colour over the part of a picture that starts at `origin`, in place; see `compose.tint`."""
    _kernel.tint(
        *(*picture.shape, picture, *origin, *coverage.shape),
        *(np.ascontiguousarray(coverage), color, float(np.float32(alpha / 255))),
    )


def recolor(
    picture: UInt8[np.ndarray, "height width 3"],
    places: Int64[np.ndarray, " n"],
    tables: UInt8[np.ndarray, "3 256"],
) -> None:
    """Send some pixels of a picture through a table, in place; see `numpy_kernel.recolor`."""
    n_pixels = picture.shape[0] * picture.shape[1]
    arrays = [np.ascontiguousarray(a) for a in (places, tables)]
    _kernel.recolor(n_pixels, picture, len(places), *arrays)


def texels(
    mesh: Mesh,
    normals: Float32[np.ndarray, "n_vertices 3"],
    layout: Layout,
    picture: Reduced,
    view: View,
) -> tuple[Float32[np.ndarray, "3 size size"], Float32[np.ndarray, "size size"]]:
    """The colours of the texels of a mesh, and how well the photo shows them; see `numpy_kernel.texels`."""
    size = layout.size
    colors = np.zeros((3, size, size), np.float32)
    trust = np.zeros((size, size), np.float32)
    per_px = np.float32(view.scale)
    _kernel.texels(
        *(len(mesh.vertices), np.ascontiguousarray(mesh.vertices), np.ascontiguousarray(normals)),
        *(len(layout.place), size * size, layout.place, layout.corners, layout.weights),
        *(*picture.image.shape[:2], np.ascontiguousarray(picture.image)),
        (*picture.scale.tolist(), *picture.shift.tolist()),
        (view.photo[1], view.photo[0]),
        (float(EDGE_ON), float(TRUSTED)),
        (float(per_px), float(np.float32(1) / per_px)),
        view.region,
        *(view.depth, view.far, colors, trust),
    )
    return colors, trust


def complete(
    colors: Float32[np.ndarray, "3 size size"],
    trust: Float32[np.ndarray, "size size"],
    *,
    symmetric: bool,
    widest: int = WIDEST,
) -> UInt8[np.ndarray, "size size 3"]:
    """A texture without holes; see `numpy_kernel.complete`."""
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
