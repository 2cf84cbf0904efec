"""The `normals` overlay: which way the surface faces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tddfa.geometry.triangles import vertex_normals
from tddfa.render.compose import Background, Picture, paint
from tddfa.render.rasterizer import rasterize
from tddfa.types import Face, Image


def draw_normals(
    image: Image, faces: Sequence[Face], *, alpha: float = 1.0, background: Background = "photo"
) -> Picture:
    """The picture with every face's normals as colours.

    Red grows to the right, green upwards, blue towards the viewer; 127.5 is 0, as in normal maps.

    Args:
        image: the photo.
        faces: whose meshes to draw.
        alpha: how much of the photo the mesh hides.
        background: what lies under and around the meshes.
    """
    meshes = [face.mesh for face in faces]
    fragments = rasterize(meshes, *image.shape[:2])
    normals = fragments.interpolate([vertex_normals(m.vertices, m.triangles) for m in meshes])
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = normals / np.maximum(length, np.finfo(np.float32).tiny)
    colors = (normals * np.array([1, -1, -1], np.float32) + 1) / 2
    return paint(image, fragments, colors, alpha=alpha, background=background)
