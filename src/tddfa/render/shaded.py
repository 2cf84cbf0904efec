"""The `3d` overlay: the mesh under a lamp."""

from __future__ import annotations

from collections.abc import Sequence

from tddfa.render.compose import Background, Picture, paint
from tddfa.render.kernel import kernel
from tddfa.render.lighting import Light
from tddfa.types import Face, Image


def draw_shaded(
    image: Image,
    faces: Sequence[Face],
    *,
    alpha: float = 0.6,
    light: Light | None = None,
    background: Background = "photo",
) -> Picture:
    """The picture with every face's mesh over it, grey and lit.

    Args:
        image: the photo.
        faces: whose meshes to draw; the nearer surface hides the farther one.
        alpha: how much of the photo the mesh hides.
        light: lamp and surface; None for those of 3DDFA_V2.
        background: what lies under and around the meshes.
    """
    meshes = [face.mesh for face in faces]
    lamp = light or Light()
    brightness = [kernel.phong(mesh.vertices, kernel.vertex_normals(mesh), lamp) for mesh in meshes]
    return paint(image, meshes, brightness, alpha=alpha, background=background)
