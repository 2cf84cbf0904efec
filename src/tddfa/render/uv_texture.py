"""The `uv_tex` picture: a face unrolled into its texture layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float32, Int32, UInt8

from tddfa.errors import InputError
from tddfa.imaging.draw import distance_inside, without_holes
from tddfa.imaging.sample import sample
from tddfa.render.compose import Background, Picture, canvas
from tddfa.render.fill import push_pull
from tddfa.render.kernel import kernel
from tddfa.render.numpy_kernel import Region
from tddfa.render.rasterizer import rasterize, reach
from tddfa.types import Face, Image, Mesh, Topology

# Cosine between the surface and the viewer at which a texel begins to be trusted, and is fully: seen more
# edge-on than 75°, a pixel is smeared over many texels.
_EDGE_ON, _TRUSTED = 0.26, 0.6

# Where a face turns away, the mesh may miss its outline by up to this part of its size, and show there what
# lies behind: nearer to the outline than half of it nothing is trusted. Where it ends on skin, all is.
_MISFIT = 0.07
_TURNED_AWAY = 0.6  # cosine between the surface and the viewer

# A jump in depth of this part of the size of a face is an outline too: the nose before the far cheek, but not
# a lip before teeth.
_STEP = 0.07

# Levels by which light alone may make the halves of a face differ.
_LIGHT = 40.0

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
        np.multiply(texture.image, shown[:, :, None], out=part[:, :, :3])
        part[:, :, 3:] = np.where(shown, np.uint8(255), np.uint8(0))[:, :, None]
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
    facing = [-kernel.vertex_normals(mesh)[:, 2:] for mesh in meshes]
    views = _views(meshes, facing, *image.shape[:2])
    return [
        _texture(image, mesh, cosine, view, _layout(mesh.topology, size))
        for mesh, cosine, view in zip(meshes, facing, views, strict=True)
    ]


def _texture(
    image: Image, mesh: Mesh, facing: Float32[np.ndarray, "n 1"], view: _View, layout: _Layout
) -> Texture:
    covered = layout.covered
    surface = kernel.weighted(np.hstack([mesh.vertices, facing]), layout.corners, layout.barycentric)
    colors = np.zeros((*covered.shape, 3), np.float32)
    weight = np.zeros(covered.shape, np.float32)
    low, high = kernel.bounds(mesh.vertices)
    step = _pixels_per_texel(high - low, len(surface))
    colors[covered] = sample(image, surface[:, :2], spacing=step)
    weight[covered] = _trust(surface, view)
    return _filled(colors, weight, covered, layout.symmetric)


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
        [w[:, :, None] * t.image.astype(np.float32) for w, t in zip(weights, textures, strict=True)], axis=0
    )
    trust = np.max([t.trust for t in textures], axis=0)
    return _filled(colors / total[:, :, None], trust, covered, _symmetric(covered))


def _filled(
    colors: Float32[np.ndarray, "size size 3"],
    trust: Float32[np.ndarray, "size size"],
    covered: Bool[np.ndarray, "size size"],
    symmetric: bool,
) -> Texture:
    weight = trust
    if symmetric:
        colors, weight = _mirrored(colors, trust)
    filled = push_pull(colors, weight)
    return Texture(np.rint(np.clip(filled, 0, 255)).astype(np.uint8), covered, trust)


def _symmetric(covered: Bool[np.ndarray, "size size"]) -> bool:
    return bool((covered & covered[:, ::-1]).sum() >= _SYMMETRIC * covered.sum())


@dataclass(frozen=True, slots=True, eq=False)
class _Layout:
    """Where each texel lies on the mesh.

    Attributes:
        covered: texels that belong to the face.
        corners: the vertices of the triangle of each of them.
        barycentric: the weights of these.
        symmetric: whether the layout is its own mirror image.
    """

    covered: Bool[np.ndarray, "size size"]
    corners: Int32[np.ndarray, "n_covered 3"]
    barycentric: Float32[np.ndarray, "n_covered 3"]
    symmetric: bool


@lru_cache(maxsize=2)
def _layout(topology: Topology, size: int) -> _Layout:
    uv = topology.uv
    if uv is None:
        raise InputError("this model has no texture layout (UV), so it has no texture")
    # Texture coordinates begin at the edge of the first texel, pixel coordinates in its centre.
    x, y = uv[:, 0] * size - 0.5, (1 - uv[:, 1]) * size - 0.5
    flat = np.stack([x, y, np.zeros_like(x)], axis=1).astype(np.float32)
    fragments = rasterize([Mesh(flat, topology)], size, size)
    covered = np.zeros((size, size), bool)
    covered[fragments.region] = fragments.mask
    return _Layout(covered, fragments.corners, fragments.barycentric[fragments.mask], _symmetric(covered))


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """What the photo shows of a face, in the part of it that the face reaches.

    Attributes:
        size: height and width of the photo.
        region: that part.
        depth: of the nearest surface of any face; infinite where there is none.
        far: from the outline of the face, 0 to 1, where the mesh may miss the face to where it does not.
    """

    size: tuple[int, int]
    region: Region
    depth: Float32[np.ndarray, "h w"]
    far: Float32[np.ndarray, "h w"]


def _views(
    meshes: Sequence[Mesh], facing: Sequence[Float32[np.ndarray, "_ 1"]], height: int, width: int
) -> list[_View]:
    if not meshes:
        return []
    x0, y0, _, _ = reach(meshes, height, width)
    # Depth, which face it is of, and how it faces the viewer.
    values = [
        np.stack([m.vertices[:, 2], np.full(len(m.vertices), i, np.float32), f[:, 0]], axis=1)
        for i, (m, f) in enumerate(zip(meshes, facing, strict=True))
    ]
    mask, nearest = kernel.interpolate(meshes, values, reach(meshes, height, width))
    views: list[_View] = []
    for i, mesh in enumerate(meshes):
        region = x, y, w, h = reach([mesh], height, width)
        part = slice(y - y0, y - y0 + h), slice(x - x0, x - x0 + w)
        margin = _MISFIT * float(np.ptp(kernel.bounds(mesh.vertices)[:, 1]))
        depth = np.where(mask[part], nearest[*part, 0], np.float32(np.inf))
        # Lips and lids that part are no outline.
        own = without_holes(mask[part] & (nearest[*part, 1] == i), margin / 2)
        border = own & (distance_inside(own) < 2) & (nearest[*part, 2] < _TURNED_AWAY)
        outline = border | _steps(depth, _STEP / _MISFIT * margin)
        far = np.clip(np.minimum(distance_inside(~outline), margin) * np.float32(2 / margin) - 1, 0, 1)
        views.append(_View((height, width), region, depth, far))
    return views


def _trust(surface: Float32[np.ndarray, "n 4"], view: _View) -> Float32[np.ndarray, " n"]:
    """How far the photo shows each place of a face, position and facing, in [0, 1]."""
    x, y, z, facing = (surface[:, k] for k in range(4))
    height, width = view.size
    trust = np.clip((facing - np.float32(_EDGE_ON)) / np.float32(_TRUSTED - _EDGE_ON), 0, 1)
    trust[(x < -0.5) | (x > width - 0.5) | (y < -0.5) | (y > height - 0.5)] = 0
    at = np.flatnonzero(trust)
    x0, y0, w, h = view.region
    column = np.clip(np.rint(x[at]).astype(np.int64) - x0, 0, w - 1)
    row = np.clip(np.rint(y[at]).astype(np.int64) - y0, 0, h - 1)
    # The surface may rise by its slope within the pixel it falls into.
    cosine = facing[at]
    slope = np.sqrt(np.maximum(1 - cosine**2, 0)) / cosine
    hidden = z[at] > view.depth[row, column] + np.float32(0.71) * slope + 1
    trust[at] *= np.where(hidden, np.float32(0), view.far[row, column])
    return trust


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


def _mirrored(
    colors: Float32[np.ndarray, "h w 3"], weight: Float32[np.ndarray, "h w"]
) -> tuple[Float32[np.ndarray, "h w 3"], Float32[np.ndarray, "h w"]]:
    """Colours and weights with the hidden places taken from the other half of the face."""
    other, other_weight = colors[:, ::-1], weight[:, ::-1]
    if not (weight < 1).any() or not other_weight.any():
        return colors, weight
    # Light falls differently on the halves: carry the coarse difference, known where both are seen, over.
    # What differs more than light does is hair, a hand or background on one side.
    difference = colors - other
    size = np.abs(difference)
    alike = np.exp(-((np.maximum(np.maximum(size[..., 0], size[..., 1]), size[..., 2]) / _LIGHT) ** 2))
    coarse = max(colors.shape[0].bit_length() - 5, 0)
    difference = push_pull(difference, np.minimum(weight, other_weight) * alike, smooth=coarse)
    part = (1 - weight) * other_weight
    total = weight + part
    blended = weight[:, :, None] * colors + part[:, :, None] * (other + difference)
    return blended / np.maximum(total, 1e-6)[:, :, None], total


def _pixels_per_texel(extent: Float32[np.ndarray, "3"], n_texels: int) -> float:
    # A face unrolled is about as wide as half its circumference.
    width = float(np.hypot(extent[0], extent[2])) * 1.2
    return float(np.sqrt(width * float(extent[1]) / max(n_texels, 1)))
