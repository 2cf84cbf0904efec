"""The `uv_tex` picture: a face unrolled into its texture layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tddfa.errors import InputError
from tddfa.imaging.draw import distance_inside, masked, without_holes
from tddfa.imaging.sample import reduced
from tddfa.render.compose import Background, Picture, canvas
from tddfa.render.kernel import kernel
from tddfa.render.numpy_kernel import Layout, View
from tddfa.render.rasterizer import rasterize, reach, scaled_region
from tddfa.shapes import Bool, Float32, UInt8
from tddfa.types import Face, Image, Mesh, Topology

# Where a face turns away, the mesh may miss its outline by up to this part of its size, and show there what
# lies behind: nearer to the outline than half of it nothing is trusted. Where it ends on skin, all is.
_MISFIT = 0.07
_TURNED_AWAY = 0.6  # cosine between the surface and the viewer

# A jump in depth of this part of the size of a face is an outline too: the nose before the far cheek, but not
# a lip before teeth.
_STEP = 0.07

# How high a face is in the z-buffer that says what shows of it, cells. More would not be seen: the border
# that is not trusted is wider than several of them.
_CELLS = 128.0

_SYMMETRIC = 0.97  # part of the layout that has to lie on its own mirror image to be called symmetric


@dataclass(frozen=True, slots=True, eq=False)
class Texture:
    """The colours of a face in its texture layout; row 0 is v = 1.

    Attributes:
        image: RGB; filled wherever the photo shows nothing, and beyond the border of the layout, so that
            no filter picks up black.
        covered: texels that belong to the face.
        trust: how well the photo shows each of them: 1 from the front, 0 where it does not.
    """

    image: UInt8[np.ndarray, "size size 3"]
    covered: Bool[np.ndarray, "size size"]
    trust: Float32[np.ndarray, "size size"]

    @property
    def seen(self) -> Bool[np.ndarray, "size size"]:
        """The texels that the photo shows."""
        return self.trust > 0


def draw_uv_texture(
    image: Image,
    faces: Sequence[Face],
    *,
    size: int = 256,
    fill: bool = True,
    background: Background = "photo",
) -> Picture:
    """The textures of all faces side by side, each `size` × `size`.

    Args:
        image: the photo.
        faces: whose textures to take.
        size: px of each texture.
        fill: give hidden places the colours of the other half of the face and of what surrounds them;
            otherwise they are background.
        background: what lies around the faces: "transparent", or black for both others, as no photo lies
            under a texture.

    Raises:
        InputError: a model has no texture layout, or the size is not positive.
    """
    textures = face_textures(image, faces, size=size)
    blank = np.zeros((size, size * max(len(faces), 1), 3), np.uint8)
    out = canvas(blank, background)
    for i, texture in enumerate(textures):
        shown = texture.covered if fill else texture.seen
        part = out[:, i * size : (i + 1) * size]
        part[:, :, :3] = masked(texture.image, shown)
        part[:, :, 3:] = (shown * np.uint8(255))[:, :, None]
    return out


def face_textures(image: Image, faces: Sequence[Face], *, size: int = 1024) -> list[Texture]:
    """The texture of every face, looked up in the photo texel by texel.

    A texel is taken from the photo where its place on the face lies in the picture, faces the camera and has
    no face before it. The rest mirrors the other half of the face, where the layout is symmetric, and is
    otherwise filled smoothly.

    Args:
        image: the photo.
        faces: whose textures to take.
        size: px of each texture.

    Raises:
        InputError: a model has no texture layout, or the size is not positive.
    """
    if size < 1:
        raise InputError(f"a texture of {size} px is not possible; 256 to 2048 are usual")
    meshes = [face.mesh for face in faces]
    normals = [kernel.vertex_normals(mesh) for mesh in meshes]
    views = _views(meshes, normals, *image.shape[:2])
    return [
        _texture(image, mesh, normal, view, _layout(mesh.topology, size))
        for mesh, normal, view in zip(meshes, normals, views, strict=True)
    ]


def _texture(
    image: Image, mesh: Mesh, normals: Float32[np.ndarray, "n 3"], view: View, layout: Layout
) -> Texture:
    low, high = kernel.bounds(mesh.vertices)
    spacing = _pixels_per_texel(high - low, len(layout.place))
    picture = reduced(image, low[:2], high[:2], spacing=spacing)
    colors, trust = kernel.texels(mesh, normals, layout, picture, view)
    return Texture(kernel.complete(colors, trust, symmetric=layout.symmetric), layout.covered, trust)


def merge_textures(textures: Sequence[Texture]) -> Texture:
    """One texture from several of one person: each texel as the photos show it that show it best.

    Args:
        textures: of equal size, of one model.

    Raises:
        InputError: there are none, or they differ in size or layout.
    """
    if not textures:
        raise InputError("there are no textures to merge; give at least one")
    covered = textures[0].covered
    if any(t.covered.shape != covered.shape or (t.covered != covered).any() for t in textures):
        raise InputError("the textures differ in size or layout; merge textures of one size and one model")
    # Squared, so that a photo from the front counts more than several from the side.
    weights = [t.trust**2 for t in textures]
    total = np.maximum(np.sum(weights, axis=0), np.float32(1e-12))
    colors = np.sum(
        [w * np.moveaxis(t.image, -1, 0).astype(np.float32) for w, t in zip(weights, textures, strict=True)],
        axis=0,
    )
    trust = np.max([t.trust for t in textures], axis=0)
    return Texture(kernel.complete(colors / total, trust, symmetric=_symmetric(covered)), covered, trust)


def _symmetric(covered: Bool[np.ndarray, "size size"]) -> bool:
    return bool((covered & covered[:, ::-1]).sum() >= _SYMMETRIC * covered.sum())


@lru_cache(maxsize=4)
def _layout(topology: Topology, size: int) -> Layout:
    uv = topology.uv
    if uv is None:
        raise InputError("this model has no texture layout (UV), so it has no texture")
    # Texture coordinates begin at the edge of the first texel, pixel coordinates in its centre.
    x, y = uv[:, 0] * size - 0.5, (1 - uv[:, 1]) * size - 0.5
    flat = np.stack([x, y, np.zeros_like(x)], axis=1).astype(np.float32)
    fragments = rasterize([Mesh(flat, topology)], size, size)
    covered = np.zeros((size, size), bool)
    covered[fragments.region] = fragments.mask
    covered.flags.writeable = False
    return Layout(
        size,
        covered,
        np.flatnonzero(covered).astype(np.int32),
        np.ascontiguousarray(fragments.corners),
        np.ascontiguousarray(fragments.barycentric[fragments.mask][:, 1:]),
        _symmetric(covered),
    )


def _views(
    meshes: Sequence[Mesh], normals: Sequence[Float32[np.ndarray, "_ 3"]], height: int, width: int
) -> list[View]:
    if not meshes:
        return []
    heights = [float(high[1] - low[1]) for low, high in (kernel.bounds(m.vertices) for m in meshes)]
    # 1 / scale is exact, so that cells lie on a grid of the photo whatever part of it is looked at.
    scale = 1 / max(1.0, float(np.float32(min(heights) / _CELLS)))
    x0, y0, w, h = scaled_region(reach(meshes, height, width), scale)
    # How each face looks at the viewer, from −1 to 1, and which one it is, in steps of 4.
    values = [np.float32(4 * i) - n[:, 2:] for i, n in enumerate(normals)]
    depths, nearest = kernel.interpolate(meshes, values, (x0, y0, w, h), scale)
    views: list[View] = []
    for i, (mesh, tall) in enumerate(zip(meshes, heights, strict=True)):
        region = x, y, w, h = scaled_region(reach([mesh], height, width), scale)
        part = slice(y - y0, y - y0 + h), slice(x - x0, x - x0 + w)
        depth, facing = np.ascontiguousarray(depths[part]), nearest[*part, 0] - np.float32(4 * i)
        margin = _MISFIT * tall * scale
        # Lips and lids that part are no outline.
        own = without_holes((depth < np.inf) & (np.abs(facing) < 2), margin / 2)
        border = own & (distance_inside(own) < 2) & (facing < _TURNED_AWAY)
        outline = border | _steps(depth, _STEP * tall)
        far = np.clip(np.minimum(distance_inside(~outline), margin) * np.float32(2 / margin) - 1, 0, 1)
        views.append(View((height, width), scale, region, depth, far))
    return views


def _steps(depth: Float32[np.ndarray, "h w"], height: float) -> Bool[np.ndarray, "h w"]:
    """Pixels beside which one surface ends before another, more than `height` px behind it."""
    steps = np.zeros(depth.shape, bool)
    known = np.where(np.isfinite(depth), depth, np.float32(np.nan))  # compares as false: no other surface
    across, down = (np.abs(np.diff(known, axis=axis)) > height for axis in (1, 0))
    steps[:, 1:] |= across
    steps[:, :-1] |= across
    steps[1:] |= down
    steps[:-1] |= down
    return steps


def _pixels_per_texel(extent: Float32[np.ndarray, "3"], n_texels: int) -> float:
    # A face unrolled is about as wide as half its circumference.
    width = float(np.hypot(extent[0], extent[2])) * 1.2
    return float(np.sqrt(width * float(extent[1]) / max(n_texels, 1)))
