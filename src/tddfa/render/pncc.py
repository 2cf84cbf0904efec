"""The `pncc` overlay: the projected normalised coordinate code."""

from __future__ import annotations

from collections.abc import Iterable

from tddfa.render.compose import Background, Drawing, paint
from tddfa.types import Face, Image
from tddfa.types.arguments import faces_of


def draw_pncc(
    image: Image, faces: Iterable[Face], *, alpha: float = 1.0, background: Background = "photo"
) -> Drawing:
    """Return the image with every face in the colours of its model: one colour for one place on any face.

    Args:
        image: the image of the faces.
        faces: faces whose meshes are drawn.
        alpha: share of the image that the mesh hides.
        background: what lies under and around the meshes.

    Raises:
        InputError: an argument is not possible; the message says what is.

    Source: Zhu et al., "Face alignment across large poses: a 3D solution", 2016, section 3.2.
    """
    faces = faces_of(image, faces)
    colors = [face.mesh.topology.colors for face in faces]
    return paint(image, faces, colors, alpha=alpha, background=background)
