"""The `3d` overlay: the mesh under a lamp."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from tddfa.render.compose import Background, Drawing, paint
from tddfa.render.kernel import kernel
from tddfa.render.lighting import Light, checked_light
from tddfa.shapes import Float32
from tddfa.types import Face, Image, Topology
from tddfa.types.arguments import as_color, faces_of

_DARK_MOUTH, _DARK_TEETH, _DARK_TONGUE = (np.float32(v) for v in (0.75, 0.2, 0.5))


def draw_shaded(
    image: Image,
    faces: Iterable[Face],
    *,
    alpha: float = 0.6,
    color: tuple[int, int, int] = (255, 255, 255),
    light: Light | None = None,
    background: Background = "photo",
) -> Drawing:
    """Return the image with every face's mesh over it, lit by a lamp.

    Args:
        image: the image of the faces.
        faces: faces whose meshes are drawn; a nearer face hides a farther one.
        alpha: share of the image that the mesh hides.
        color: RGB of the surface in full light.
        light: lamp and surface; None for those of 3DDFA_V2.
        background: what lies under and around the meshes.

    Raises:
        InputError: an argument is not possible; the message says what is.
    """
    faces = faces_of(image, faces)
    color = as_color(color)
    lamp = checked_light(light)
    meshes = [face.mesh for face in faces]
    brightness = [kernel.phong(mesh.vertices, kernel.vertex_normals(mesh), lamp) for mesh in meshes]
    brightness = [_shaded(b, mesh.topology) for b, mesh in zip(brightness, meshes, strict=True)]
    if color != (255, 255, 255):
        brightness = [b * (np.array(color, np.float32) / np.float32(255)) for b in brightness]
    return paint(image, faces, brightness, alpha=alpha, background=background)


def _shaded(
    brightness: Float32[np.ndarray, "n_vertices 1"], topology: Topology
) -> Float32[np.ndarray, "n_vertices 1"]:
    """Return the brightness with that of parts which are not lit as their normals say."""
    if topology.lit_as is not None:
        brightness = brightness[topology.lit_as]
    shade = _shade(topology)
    return brightness if shade is None else brightness * shade


@lru_cache(maxsize=8)
def _shade(topology: Topology) -> Float32[np.ndarray, "n_vertices 1"] | None:
    """Return how dark the inside of a mouth is beside skin: little light falls in."""
    if topology.materials is None:
        return None
    mouth, teeth, tongue = topology.materials[:, 2:].T
    return (1 - _DARK_MOUTH * mouth - _DARK_TEETH * teeth - _DARK_TONGUE * tongue)[:, None]
