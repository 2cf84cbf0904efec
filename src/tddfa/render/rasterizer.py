"""Meshes → the nearest surface of each pixel."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.errors import InputError
from tddfa.geometry.camera import camera_scale
from tddfa.render.fragments import Fragments
from tddfa.render.kernel import kernel
from tddfa.render.kernel_values import MAX_COORDINATE, Region
from tddfa.shapes import Bool, Float32
from tddfa.types import Face, Mesh
from tddfa.types.arguments import as_list, check_count, check_flag, check_kind

_MAX_SIDE = 2**31 - 1  # of an image, px


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """Values on the visible surface in the part of an image that the meshes cover.

    Attributes:
        x0: column of the image that is column 0 here.
        y0: row of the image that is row 0 here.
        depth: z of the surface, px; infinite where there is none.
        values: values of the surface; 0 where there is none.
    """

    x0: int
    y0: int
    depth: Float32[np.ndarray, "h w"]
    values: Float32[np.ndarray, "h w c"]

    @property
    def mask(self) -> Bool[np.ndarray, "h w"]:
        """Pixels with a surface."""
        return self.depth < np.inf


def rasterize(meshes: Sequence[Mesh], height: int, width: int, *, cull_back: bool = False) -> Fragments:
    """Return the nearest surface of each pixel of an image; all meshes share one z-buffer.

    A pixel belongs to the triangle that holds its centre; of two that share an edge through it, to the one
    whose top or left edge it is (corners are first snapped to 1/256 px, so this is exact: no cracks, nothing
    twice). The smallest z wins, on a tie the triangle that comes first.

    Args:
        meshes: in the image frame, px.
        height: height of the image, px.
        width: width of the image, px.
        cull_back: leave out triangles that face away from the camera.

    Raises:
        InputError: `meshes` holds anything but meshes, the size is negative, or a vertex is not finite or
            more than 2^21 px away.
    """
    if isinstance(meshes, Mesh):
        raise InputError("meshes is one mesh; put it into a list: [mesh]")
    meshes = tuple(as_list("meshes", meshes, "a list of meshes is needed"))
    for k, mesh in enumerate(meshes):
        check_kind(f"meshes[{k}]", mesh, Mesh, "every face has one, face.mesh")
    for name, side in (("height", height), ("width", width)):
        check_count(name, side, _MAX_SIDE, least=0)
    check_flag("cull_back", cull_back)
    region = screen_region(meshes, height, width)
    return Fragments(
        meshes, region[0], region[1], *kernel.rasterize(meshes, region, cull_back=bool(cull_back))
    )


def draw_values(
    meshes: Sequence[Mesh], values: Sequence[Float32[np.ndarray, "_ c"]], height: int, width: int
) -> Layer:
    """Return values of the vertices at the nearest surface of each pixel; see `rasterize`.

    Args:
        meshes: in the image frame, px.
        values: one array per mesh, one row per vertex.
        height: height of the image, px.
        width: width of the image, px.

    Raises:
        InputError: a vertex is not finite or more than 2^21 px away.
    """
    region = screen_region(meshes, height, width)
    if not meshes:
        return Layer(0, 0, np.zeros((0, 0), np.float32), np.zeros((0, 0, 1), np.float32))
    return Layer(region[0], region[1], *kernel.interpolate(meshes, values, region, 1.0))


def draw_face_values(
    faces: Sequence[Face], values: Sequence[Float32[np.ndarray, "_ c"]], height: int, width: int
) -> Layer:
    """Return values of the vertices at the nearest surface of each pixel; a nearer face hides a farther one.

    Args:
        faces: faces to draw.
        values: one array per face, one row per vertex.
        height: height of the image, px.
        width: width of the image, px.

    Raises:
        InputError: a vertex is not finite or more than 2^21 px away.
    """
    meshes = [face.mesh for face in faces]
    if len(meshes) < 2:
        return draw_values(meshes, values, height, width)
    x0, y0, columns, rows = screen_region(meshes, height, width)
    depth = np.full((rows, columns), np.inf, np.float32)
    drawn = np.zeros((rows, columns, values[0].shape[1]), np.float32)
    for k in back_to_front(faces):
        one = draw_values([meshes[k]], [values[k]], height, width)
        part = np.s_[one.y0 - y0 :, one.x0 - x0 :]
        place = tuple(np.s_[:n] for n in one.depth.shape)
        depth[part][place][one.mask] = one.depth[one.mask]
        drawn[part][place][one.mask] = one.values[one.mask]
    return Layer(x0, y0, depth, drawn)


def back_to_front(faces: Sequence[Face]) -> list[int]:
    """Return the indices of faces from the farthest to the nearest.

    Depths of two faces have no common zero: a camera without perspective knows only their sizes. Heads are
    about equally large, so the face with more pixels per millimetre is nearer. Of two of equal size the one
    with the smaller z is, which matters for meshes that were placed by hand.
    """
    if len(faces) < 2:
        return list(range(len(faces)))
    keys = [
        (camera_scale(face.params.camera), -float(face.mesh.vertices[:, 2].min(initial=np.inf)))
        for face in faces
    ]
    return sorted(range(len(faces)), key=keys.__getitem__)


def screen_region(meshes: Sequence[Mesh], height: int, width: int) -> Region:
    """Return the part of an image that the meshes can cover.

    Raises:
        InputError: a vertex is not finite or more than 2^21 px away.
    """
    low, high = np.full(2, np.inf), np.full(2, -np.inf)
    for mesh in meshes:
        if len(mesh.triangles) and len(mesh.vertices):
            mesh_low, mesh_high = kernel.bounds(mesh.vertices)
            check_bounds("a mesh", mesh_low, mesh_high)
            low, high = np.minimum(low, mesh_low[:2]), np.maximum(high, mesh_high[:2])
    if not np.isfinite(low).all():
        return 0, 0, 0, 0
    # One pixel more, as snapping may carry a corner across a pixel's centre.
    x0, y0 = (int(v) for v in np.clip(np.floor(low) - 1, 0, [width, height]))
    x1, y1 = (int(v) for v in np.clip(np.ceil(high) + 2, [x0, y0], [width, height]))
    return x0, y0, x1 - x0, y1 - y0


def scaled_region(region: Region, scale: float) -> Region:
    """Return the part of the scaled image that holds a part of the image."""
    x0, y0 = (int(v * scale) for v in region[:2])
    x1, y1 = (math.ceil((v + side) * scale) + 2 for v, side in zip(region[:2], region[2:], strict=True))
    return x0, y0, x1 - x0, y1 - y0


def check_bounds(what: str, low: Float32[np.ndarray, "3"], high: Float32[np.ndarray, "3"]) -> None:
    """Refuse what is too far from an image to be drawn.

    Args:
        what: what the points are, for the message.
        low: smallest coordinates of the points, px.
        high: largest coordinates of the points, px.

    Raises:
        InputError: a point is not finite or more than 2^21 px away.
    """
    farthest = np.maximum(np.abs(low), np.abs(high)).max()
    if not farthest <= MAX_COORDINATE:  # also true for NaN
        raise InputError(
            f"{what} reaches to {farthest} px; points have to be finite and within {MAX_COORDINATE:.0f} px "
            "of the image: is it in the image frame?"
        )
