"""The `3d` overlay: the mesh under a lamp."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tddfa.render.compose import Background, Picture, paint
from tddfa.render.kernel import kernel
from tddfa.render.lighting import Light
from tddfa.types import Face, Image


def draw_shaded(
    image: Image,
    faces: Sequence[Face],
    *,
    alpha: float = 0.6,
    color: tuple[int, int, int] = (255, 255, 255),
    light: Light | None = None,
    background: Background = "photo",
) -> Picture:
    """The picture with every face's mesh over it, lit by a lamp.

    Args:
        image: the photo.
        faces: whose meshes to draw; the nearer surface hides the farther one.
        alpha: how much of the photo the mesh hides.
        color: RGB of the surface in full light.
        light: lamp and surface; None for those of 3DDFA_V2.
        background: what lies under and around the meshes.
    """
    meshes = [face.mesh for face in faces]
    lamp = light or Light()
    brightness = [kernel.phong(mesh.vertices, kernel.vertex_normals(mesh), lamp) for mesh in meshes]
    if color != (255, 255, 255):
        brightness = [b * (np.array(color, np.float32) / np.float32(255)) for b in brightness]
    return paint(image, meshes, brightness, alpha=alpha, background=background)
