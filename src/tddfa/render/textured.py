"""Faces with their textures, seen from anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tddfa.errors import InputError
from tddfa.imaging.sample import sample
from tddfa.render.compose import Background, Picture, paint_layer
from tddfa.render.rasterizer import draw_values
from tddfa.types import Face, Image


def draw_textured(
    image: Image,
    faces: Sequence[Face],
    textures: Sequence[Image],
    *,
    alpha: float = 1.0,
    background: Background = "black",
) -> Picture:
    """The picture with every face in its texture; with a changed camera or expression, the face seen anew.

    Args:
        image: what lies under the faces; over black only its size counts.
        faces: to draw, for example with the parameters of `MorphableModel.frontal`.
        textures: of each face in its texture layout, row 0 is v = 1.
        alpha: how much of the photo the mesh hides.
        background: what lies under and around the meshes.

    Raises:
        InputError: there is not one texture per face, or a model has no texture layout.
    """
    if len(textures) != len(faces):
        raise InputError(f"{len(textures)} textures for {len(faces)} faces; give one per face")
    values: list[np.ndarray] = []
    for i, (face, texture) in enumerate(zip(faces, textures, strict=True)):
        uv = face.mesh.topology.uv
        if uv is None:
            raise InputError("this model has no texture layout (UV), so it has no texture")
        height, width = texture.shape[:2]
        x, y = uv[:, 0] * width - 0.5, (1 - uv[:, 1]) * height - 0.5
        values.append(np.stack([x, y, np.full(len(uv), i)], axis=1).astype(np.float32))
    layer = draw_values([face.mesh for face in faces], values, *image.shape[:2])
    colors = np.zeros((*layer.mask.shape, 3), np.float32)
    for i, (face, texture) in enumerate(zip(faces, textures, strict=True)):
        own = layer.mask & (np.rint(layer.values[:, :, 2]) == i)
        # Texels per pixel: the layout shows the face about as high as the texture.
        size = float(np.ptp(face.mesh.vertices[:, 1]))
        colors[own] = sample(texture, layer.values[own][:, :2], spacing=texture.shape[0] / max(size, 1.0))
    return paint_layer(
        image, replace(layer, values=colors / np.float32(255)), alpha=alpha, background=background
    )
