"""The `normals` overlay: the direction of the surface."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tddfa.render.compose import Background, Drawing, paint_layer
from tddfa.render.kernel import kernel
from tddfa.render.rasterizer import draw_face_values
from tddfa.types import Face, Image
from tddfa.types.arguments import faces_of


def draw_normals(
    image: Image, faces: Iterable[Face], *, alpha: float = 1.0, background: Background = "photo"
) -> Drawing:
    """Return the image with every face's normals as colours.

    Red grows to the right, green upwards, blue towards the viewer; 127.5 is 0, as in normal maps.

    Args:
        image: the image of the faces.
        faces: faces whose meshes are drawn.
        alpha: share of the image that the mesh hides.
        background: what lies under and around the meshes.

    Raises:
        InputError: an argument is not possible; the message says what is.
    """
    faces = faces_of(image, faces)
    vectors = [kernel.vertex_normals(face.mesh) for face in faces]
    layer = draw_face_values(faces, vectors, *image.shape[:2])
    colors = kernel.direction_colors(layer.values) if faces else layer.values
    return paint_layer(image, replace(layer, values=colors), alpha=alpha, background=background)
