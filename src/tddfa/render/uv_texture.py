"""The `uv_tex` overlay: a face unrolled into its texture layout."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.errors import InputError
from tddfa.imaging.draw import distance_inside, masked, without_holes
from tddfa.imaging.sample import reduced, sample
from tddfa.render.compose import Background, Drawing, canvas
from tddfa.render.eyeballs import EyeTexels, eye_texels, fill_eyes, without_closed_eyes
from tddfa.render.kernel import kernel
from tddfa.render.kernel_values import FaceView, Region, TexelLayout
from tddfa.render.materials import N_OUTSIDE, filled, texel_materials
from tddfa.render.rasterizer import back_to_front, rasterize, scaled_region, screen_region
from tddfa.shapes import Bool, Float32, UInt8
from tddfa.types import Face, Image, Mesh, Topology
from tddfa.types.arguments import (
    MAX_TEXTURE_SIDE,
    as_list,
    as_texture,
    check_count,
    check_face,
    check_flag,
    check_kind,
    faces_of,
)

# Distance by which the mesh may miss the outline of a face where the face turns away, in heights of the face.
# Texels up to half of it inside the outline show what lies behind, and are not trusted. Where the mesh ends
# on skin, all texels are.
_MISFIT = 0.07
_LEAST_MARGIN = 1e-6  # cells
_TURNED_AWAY = 0.6  # cosine between the surface and the viewer
_INSIDE = 8.0  # is added to that cosine inside the mouth, so that both are interpolated at once

# Smallest jump in depth that is an outline too, in heights of the face: the nose in front of the far cheek,
# but not a lip in front of teeth.
_JUMP = 0.07

# Height of a face in the z-buffer that decides what shows of it, cells. The border that is not trusted is
# wider than several of them, so finer cells would change nothing.
_CELLS = 128.0

_SYMMETRIC = 0.97  # share of a layout that lies on its own mirror image, from which on it is called symmetric


@dataclass(frozen=True, slots=True, eq=False)
class Texture:
    """The colours of a face in its texture layout; row 0 is v = 1.

    Attributes:
        image: RGB; filled where the image of the face shows nothing, and beyond the border of the layout, so
            that no filter picks up black.
        covered: texels that belong to the face.
        trust: trust in each texel: 1 seen from the front, 0 not seen.
    """

    image: UInt8[np.ndarray, "size size 3"]
    covered: Bool[np.ndarray, "size size"]
    trust: Float32[np.ndarray, "size size"]

    @property
    def seen(self) -> Bool[np.ndarray, "size size"]:
        """The texels that the image of the face shows."""
        return self.trust > 0

    def __repr__(self) -> str:
        height, width = self.covered.shape
        share = (self.seen & self.covered).sum() / max(int(self.covered.sum()), 1)
        return f"Texture({width}×{height} texels, {share:.0%} of the face seen)"


def draw_uv_texture(
    image: Image,
    faces: Iterable[Face],
    *,
    size: int = 256,
    fill: bool = True,
    background: Background = "photo",
) -> Drawing:
    """Return the textures of all faces side by side, each `size` × `size`.

    Args:
        image: the image of the faces.
        faces: faces whose textures are taken.
        size: side of each texture, px.
        fill: give hidden texels the colours of the other half of the face and of what surrounds them;
            otherwise they are background.
        background: what lies around the faces: "transparent", or black for both others, as no image lies
            under a texture.

    Raises:
        InputError: an argument is not possible, or a model has no texture layout; the message says what is.
    """
    faces = faces_of(image, faces)
    check_flag("fill", fill)
    textures = face_textures(image, faces, size=size)
    blank = np.zeros((size, size * max(len(faces), 1), 3), np.uint8)
    out = canvas(blank, background)
    for i, texture in enumerate(textures):
        shown = texture.covered if fill else texture.seen
        part = out[:, i * size : (i + 1) * size]
        part[:, :, :3] = masked(texture.image, shown)
        part[:, :, 3:] = (shown * np.uint8(255))[:, :, None]
    return out


def face_textures(image: Image, faces: Iterable[Face], *, size: int = 1024) -> list[Texture]:
    """Return the texture of every face, looked up in the image texel by texel.

    A texel is taken from the image where its point of the face lies in the image, faces the camera and has
    no face in front of it. The rest mirrors the other half of the face, where the layout is symmetric, and is
    otherwise filled smoothly.

    Args:
        image: the image of the faces.
        faces: faces whose textures are taken; all faces of the image, as a nearer one hides a farther one.
        size: side of each texture, px.

    Raises:
        InputError: an argument is not possible, or a model has no texture layout; the message says what is.
    """
    faces = faces_of(image, faces)
    check_count("size", size, MAX_TEXTURE_SIDE)
    meshes = [face.mesh for face in faces]
    normals = [kernel.vertex_normals(mesh) for mesh in meshes]
    views = _views(faces, normals, *image.shape[:2])
    return [
        _texture(image, mesh, normal, view, size)
        for mesh, normal, view in zip(meshes, normals, views, strict=True)
    ]


def _texture(
    image: Image, mesh: Mesh, normals: Float32[np.ndarray, "n 3"], view: FaceView, size: int
) -> Texture:
    layout, eyes = _layout(mesh.topology, size), _eyes(mesh.topology, size)
    low, high = kernel.bounds(mesh.vertices)
    spacing = _pixels_per_texel(high - low, len(layout.texel_index))
    part = reduced(image, low[:2], high[:2], spacing=spacing)
    colors, trust = kernel.texels(mesh, normals, layout, part, view)
    colors, known, seen = filled(colors, without_closed_eyes(trust, eyes), layout)
    texture = kernel.complete(colors, known, symmetric=layout.symmetric)
    fill_eyes(texture, seen, eyes, symmetric=layout.symmetric)
    return Texture(texture, layout.covered, seen)


def merge_textures(textures: Iterable[Texture]) -> Texture:
    """Return one texture from several of one person: each texel as the images that show it best show it.

    Args:
        textures: textures of equal size, of one model.

    Raises:
        InputError: there are none, they differ in size or layout, or something is no texture.
    """
    if isinstance(textures, Texture):
        raise InputError("textures is one texture; put all that are to be merged into a list")
    textures = as_list("textures", textures, "a list of textures is needed")
    if not textures:
        raise InputError("there are no textures to merge; give at least one")
    for k, texture in enumerate(textures):
        check_kind(f"textures[{k}]", texture, Texture, "face_textures returns textures")
    covered = textures[0].covered
    if any(t.covered.shape != covered.shape or (t.covered != covered).any() for t in textures):
        raise InputError("the textures differ in size or layout; merge textures of one size and one model")
    # Squared, so that an image from the front counts more than several from the side.
    weights = [t.trust**2 for t in textures]
    total = np.maximum(np.sum(weights, axis=0), np.float32(1e-12))
    colors = np.sum(
        [w * np.moveaxis(t.image, -1, 0).astype(np.float32) for w, t in zip(weights, textures, strict=True)],
        axis=0,
    )
    trust = np.max([t.trust for t in textures], axis=0)
    merged = kernel.complete(colors / total, trust, symmetric=_symmetric(covered))
    # Mouths and eyes that no image shows are drawn, not filled from around them.
    hidden = trust == 0
    merged[hidden] = np.rint(np.mean([t.image[hidden] for t in textures], axis=0)).astype(np.uint8)
    return Texture(merged, covered, trust)


def texture_colors(face: Face, texture: Image | Texture) -> UInt8[np.ndarray, "n_vertices 3"]:
    """Return the colour of each vertex of a face in its texture.

    Args:
        face: gives the layout.
        texture: its texture, row 0 is v = 1.

    Raises:
        InputError: the model has no texture layout, or something is no texture or no face.
    """
    check_face("face", face)
    image = as_texture("texture", texture)
    uv = face.mesh.topology.uv
    if uv is None:
        raise no_layout()
    height, width = image.shape[:2]
    x, y = uv[:, 0] * width - 0.5, (1 - uv[:, 1]) * height - 0.5
    return np.rint(sample(image, np.stack([x, y], axis=1).astype(np.float32))).astype(np.uint8)


def _symmetric(covered: Bool[np.ndarray, "size size"]) -> bool:
    return bool((covered & covered[:, ::-1]).sum() >= _SYMMETRIC * covered.sum())


def no_layout() -> InputError:
    """Return the error for a model without a texture layout."""
    return InputError("this model has no texture layout (UV), so it has no texture")


@lru_cache(maxsize=4)
def _layout(topology: Topology, size: int) -> TexelLayout:
    uv = topology.uv
    if uv is None:
        raise no_layout()
    # Texture coordinates begin at the edge of the first texel, pixel coordinates in its centre.
    x, y = uv[:, 0] * size - 0.5, (1 - uv[:, 1]) * size - 0.5
    flat = np.stack([x, y, np.zeros_like(x)], axis=1).astype(np.float32)
    fragments = rasterize([Mesh(flat, topology)], size, size)
    covered = np.zeros((size, size), bool)
    covered[fragments.region] = fragments.mask
    covered.flags.writeable = False
    texel_index = np.flatnonzero(covered).astype(np.int32)
    corners = np.ascontiguousarray(fragments.corners)
    weights = np.ascontiguousarray(fragments.barycentric[fragments.mask][:, 1:])
    materials = texel_materials(topology, texel_index, corners, weights)
    return TexelLayout(size, covered, texel_index, corners, weights, _symmetric(covered), *materials)


@lru_cache(maxsize=4)
def _eyes(topology: Topology, size: int) -> tuple[EyeTexels, ...]:
    return eye_texels(topology, _layout(topology, size))


def _views(
    faces: Sequence[Face], normals: Sequence[Float32[np.ndarray, "_ 3"]], height: int, width: int
) -> list[FaceView]:
    meshes = [face.mesh for face in faces]
    heights = [float(high[1] - low[1]) for low, high in (kernel.bounds(m.vertices) for m in meshes)]
    # 1 / scale is exact, so that cells lie on a grid of the image whatever part of it is looked at.
    scale = 1 / max(1.0, float(np.float32(min(heights, default=0.0) / _CELLS)))
    regions = [scaled_region(screen_region([mesh], height, width), scale) for mesh in meshes]
    drawn = [
        kernel.interpolate([mesh], [_in_mouth(mesh.topology) - normal[:, 2:]], region, scale)
        for mesh, normal, region in zip(meshes, normals, regions, strict=True)
    ]
    depths = [depth.copy() for depth, _ in drawn]
    order = back_to_front(faces)
    for rank, behind in enumerate(order):
        for front in order[rank + 1 :]:
            _hide(depths[behind], regions[behind], drawn[front][0], regions[front])
    return [
        FaceView((height, width), scale, region, depth, _edge_distance(depth, facing[:, :, 0], tall, scale))
        for region, depth, (_, facing), tall in zip(regions, depths, drawn, heights, strict=True)
    ]


@lru_cache(maxsize=4)
def _in_mouth(topology: Topology) -> Float32[np.ndarray, "_ 1"]:
    """Return `_INSIDE` for vertices inside the mouth, 0 for others."""
    materials = topology.materials
    if materials is None:
        return np.zeros((1, 1), np.float32)
    return np.float32(_INSIDE) * materials[:, N_OUTSIDE:].max(axis=1, keepdims=True)


def _hide(
    depth: Float32[np.ndarray, "h w"],
    region: Region,
    front: Float32[np.ndarray, "fh fw"],
    front_region: Region,
) -> None:
    """Put a face out of sight, in place, where another one is in front of it."""
    x0, y0 = max(region[0], front_region[0]), max(region[1], front_region[1])
    x1 = min(region[0] + region[2], front_region[0] + front_region[2])
    y1 = min(region[1] + region[3], front_region[1] + front_region[3])
    if x0 < x1 and y0 < y1:
        here, there = (np.s_[y0 - r[1] : y1 - r[1], x0 - r[0] : x1 - r[0]] for r in (region, front_region))
        depth[here][front[there] < np.inf] = -np.inf


def _edge_distance(
    depth: Float32[np.ndarray, "h w"], facing: Float32[np.ndarray, "h w"], tall: float, scale: float
) -> Float32[np.ndarray, "h w"]:
    """Return the trust that follows from the distance to the outline; see `FaceView`.

    Args:
        depth: depth of the face; infinite beside it, minus infinity where it is hidden.
        facing: cosine between the surface and the viewer, and more than 1 inside the mouth.
        tall: height of the face, px.
        scale: cells per px.
    """
    # A face that is far below a pixel has a height, too.
    margin = max(_MISFIT * tall * scale, _LEAST_MARGIN)
    # Lips and lids that part are no outline.
    # Of a face much larger than the image, holes are at most as wide as the part that is drawn.
    own = without_holes(np.isfinite(depth), min(margin / 2, float(max(depth.shape))))
    border = own & (distance_inside(own) < 2) & (facing < _TURNED_AWAY)
    # Neither are lips in front of an open mouth, which is deeper than any other jump that counts.
    outline = border | _depth_discontinuities(np.where(facing > 1.5, np.float32(np.inf), depth), _JUMP * tall)
    hidden = depth == -np.inf
    if hidden.any():  # the mesh in front may miss its outline, too
        outline |= distance_inside(~hidden) < 2
    return np.clip(np.minimum(distance_inside(~outline), margin) * np.float32(2 / margin) - 1, 0, 1)


def _depth_discontinuities(depth: Float32[np.ndarray, "h w"], height: float) -> Bool[np.ndarray, "h w"]:
    """Return the pixels where a surface ends in front of another one, more than `height` px behind it."""
    found = np.zeros(depth.shape, bool)
    known = np.where(np.isfinite(depth), depth, np.float32(np.nan))  # compares as false: no other surface
    across, down = (np.abs(np.diff(known, axis=axis)) > height for axis in (1, 0))
    found[:, 1:] |= across
    found[:, :-1] |= across
    found[1:] |= down
    found[:-1] |= down
    return found


def _pixels_per_texel(extent: Float32[np.ndarray, "3"], n_texels: int) -> float:
    # A face unrolled is about as wide as half its circumference.
    width = float(np.hypot(extent[0], extent[2])) * 1.2
    return float(np.sqrt(width * float(extent[1]) / max(n_texels, 1)))
