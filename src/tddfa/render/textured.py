"""Faces with their textures, seen from anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from tddfa.imaging.sample import sample
from tddfa.render.compose import Background, Drawing, paint_layer
from tddfa.render.rasterizer import draw_face_values
from tddfa.render.uv_texture import Texture, no_layout
from tddfa.types import Face, Image
from tddfa.types.arguments import as_texture, faces_of, per_face


def draw_textured(
    image: Image,
    faces: Iterable[Face],
    textures: Sequence[Image | Texture],
    *,
    alpha: float = 1.0,
    background: Background = "black",
) -> Drawing:
    """Return the image with every face in its texture, also with another camera or expression.

    Args:
        image: the image under the faces; over black only its size counts.
        faces: faces to draw, for example with the parameters of `MorphableModel.frontal`.
        textures: texture of each face in its layout, row 0 is v = 1.
        alpha: share of the image that the mesh hides.
        background: what lies under and around the meshes.

    Raises:
        InputError: an argument is not possible, or a model has no texture layout; the message says what is.
    """
    faces = faces_of(image, faces)
    given = per_face("textures", textures, faces)
    images = [as_texture(f"textures[{k}]", texture) for k, texture in enumerate(given)]
    values: list[np.ndarray] = []
    for i, (face, texture) in enumerate(zip(faces, images, strict=True)):
        uv = face.mesh.topology.uv
        if uv is None:
            raise no_layout()
        height, width = texture.shape[:2]
        x, y = uv[:, 0] * width - 0.5, (1 - uv[:, 1]) * height - 0.5
        values.append(np.stack([x, y, np.full(len(uv), i)], axis=1).astype(np.float32))
    layer = draw_face_values(faces, values, *image.shape[:2])
    colors = np.zeros((*layer.mask.shape, 3), np.float32)
    for i, (face, texture) in enumerate(zip(faces, images, strict=True)):
        own = layer.mask & (np.rint(layer.values[:, :, 2]) == i)
        # Texels per pixel: the layout shows the face about as high as the texture.
        size = float(np.ptp(face.mesh.vertices[:, 1]))
        colors[own] = sample(texture, layer.values[own][:, :2], spacing=texture.shape[0] / max(size, 1.0))
    return paint_layer(
        image, replace(layer, values=colors / np.float32(255)), alpha=alpha, background=background
    )
