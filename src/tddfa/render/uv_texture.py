"""The `uv_tex` picture: a face unrolled into its texture layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from tddfa.errors import InputError
from tddfa.imaging.draw import distance_inside
from tddfa.imaging.sample import sample
from tddfa.render.compose import Background, Picture, canvas
from tddfa.render.fill import push_pull
from tddfa.render.fragments import Fragments
from tddfa.render.kernel import kernel
from tddfa.render.rasterizer import rasterize
from tddfa.types import Face, Image, Mesh

# Cosine between the surface and the viewer at which a texel begins to be trusted, and is fully: seen more
# edge-on than 75°, a pixel is smeared over many texels.
_EDGE_ON, _TRUSTED = 0.26, 0.6

# A mesh that misses the outline of the face by this part of its size shows the background there.
_MISFIT = 0.03

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
        seen: of these, the ones that the photo shows.
    """

    image: UInt8[np.ndarray, "size size 3"]
    covered: Bool[np.ndarray, "size size"]
    seen: Bool[np.ndarray, "size size"]


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
        part[shown, :3] = texture.image[shown]
        part[shown, 3:] = 255
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
    scene = rasterize(meshes, *image.shape[:2])
    normals = [kernel.vertex_normals(mesh) for mesh in meshes]
    facing = np.zeros(scene.mask.shape, bool)
    facing[scene.mask] = scene.interpolate(normals)[:, 2] < -_EDGE_ON
    reach = _MISFIT * min((float(np.ptp(m.vertices[:, 1])) for m in meshes), default=0.0)
    inside = distance_inside(facing & ~_steps(scene.depth, reach))
    return [
        _texture(image, mesh, normal, scene, inside, size)
        for mesh, normal in zip(meshes, normals, strict=True)
    ]


def _texture(
    image: Image,
    mesh: Mesh,
    normals: Float32[np.ndarray, "n 3"],
    scene: Fragments,
    inside: Float32[np.ndarray, "h w"],
    size: int,
) -> Texture:
    layout = _layout(mesh, size)
    covered = np.zeros((size, size), bool)
    covered[layout.region] = layout.mask
    surface = layout.interpolate([np.hstack([mesh.vertices, normals])])
    margin = _MISFIT * float(np.ptp(mesh.vertices[:, 1]))
    trust = _trust(surface, scene, inside / np.float32(margin), *image.shape[:2])

    colors = np.zeros((size, size, 3), np.float32)
    weight = np.zeros((size, size), np.float32)
    step = _pixels_per_texel(mesh, covered)
    colors[covered] = sample(image, surface[:, :2], spacing=step)
    weight[covered] = trust
    seen = weight > 0
    if (covered & covered[:, ::-1]).sum() >= _SYMMETRIC * covered.sum():
        colors, weight = _mirrored(colors, weight)
    filled = push_pull(colors, np.where(covered, weight, 0))
    return Texture(np.rint(np.clip(filled, 0, 255)).astype(np.uint8), covered, seen)


def _layout(mesh: Mesh, size: int) -> Fragments:
    uv = mesh.topology.uv
    if uv is None:
        raise InputError("this model has no texture layout (UV), so it has no texture")
    # Texture coordinates begin at the edge of the first texel, pixel coordinates in its centre.
    x, y = uv[:, 0] * size - 0.5, (1 - uv[:, 1]) * size - 0.5
    flat = np.stack([x, y, np.zeros_like(x)], axis=1).astype(np.float32)
    return rasterize([Mesh(flat, mesh.topology)], size, size)


def _trust(
    surface: Float32[np.ndarray, "n 6"],
    scene: Fragments,
    inside: Float32[np.ndarray, "h w"],
    height: int,
    width: int,
) -> Float32[np.ndarray, " n"]:
    """How far the photo shows each place of a face, in [0, 1].

    Args:
        surface: position and normal of the places.
        scene: what hides what.
        inside: of each pixel of the scene, distance to the outline; 1 and more is far enough.
        height: of the photo.
        width: of the photo.
    """
    x, y, z = surface[:, 0], surface[:, 1], surface[:, 2]
    facing = -surface[:, 5] / np.maximum(np.linalg.norm(surface[:, 3:], axis=1), np.float32(1e-6))
    trust = np.clip((facing - _EDGE_ON) / (_TRUSTED - _EDGE_ON), 0, 1)
    column, row = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
    trust[(column < 0) | (column >= width) | (row < 0) | (row >= height)] = 0
    at = np.flatnonzero(trust)
    column, row = column[at] - scene.x0, row[at] - scene.y0
    # The surface may rise by its slope within the pixel it falls into.
    slope = np.sqrt(1 - np.minimum(facing[at], 1) ** 2) / facing[at]
    hidden = z[at] > scene.depth[row, column] + 0.71 * slope + 1
    trust[at] *= np.where(hidden, 0, np.minimum(inside[row, column], 1))
    return trust.astype(np.float32)


def _steps(depth: Float32[np.ndarray, "h w"], reach: float) -> Bool[np.ndarray, "h w"]:
    """Pixels where one surface ends before another: depth jumps by more than `reach` px."""
    steps = np.zeros(depth.shape, bool)
    with np.errstate(invalid="ignore"):  # infinite beside infinite, where nothing is drawn
        across = np.abs(np.diff(depth, axis=1)) > reach
        down = np.abs(np.diff(depth, axis=0)) > reach
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
    alike = np.exp(-((np.abs(difference).max(axis=2) / _LIGHT) ** 2))
    coarse = max(colors.shape[0].bit_length() - 5, 0)
    difference = push_pull(difference, np.minimum(weight, other_weight) * alike, smooth=coarse)
    part = (1 - weight) * other_weight
    total = weight + part
    blended = weight[:, :, None] * colors + part[:, :, None] * (other + difference)
    return blended / np.maximum(total, 1e-6)[:, :, None], total


def _pixels_per_texel(mesh: Mesh, covered: Bool[np.ndarray, "size size"]) -> float:
    extent = np.ptp(mesh.vertices, axis=0)
    # A face unrolled is about as wide as half its circumference.
    width = float(np.hypot(extent[0], extent[2])) * 1.2
    return float(np.sqrt(width * float(extent[1]) / max(int(covered.sum()), 1)))
