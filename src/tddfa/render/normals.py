"""The `normals` overlay: which way the surface faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tddfa.render.compose import Background, Picture, paint_layer
from tddfa.render.kernel import kernel
from tddfa.render.rasterizer import draw_values
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
    layer = draw_values(meshes, [kernel.vertex_normals(mesh) for mesh in meshes], *image.shape[:2])
    normals = layer.values
    if meshes:
        length = np.sqrt((normals**2).sum(axis=2, keepdims=True))
        normals = normals / np.maximum(length, np.finfo(np.float32).tiny)
        normals = (normals * np.array([1, -1, -1], np.float32) + np.float32(1)) * np.float32(0.5)
    return paint_layer(image, replace(layer, values=normals), alpha=alpha, background=background)
