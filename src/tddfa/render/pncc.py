"""The `pncc` overlay: the projected normalised coordinate code."""

from __future__ import annotations

from collections.abc import Sequence

from tddfa.render.compose import Background, Picture, paint
from tddfa.types import Face, Image


def draw_pncc(
    image: Image, faces: Sequence[Face], *, alpha: float = 1.0, background: Background = "photo"
) -> Picture:
    """The picture with every face in the colours of its model: one colour for one place on any face.

    Args:
        image: the photo.
        faces: whose meshes to draw.
        alpha: how much of the photo the mesh hides.
        background: what lies under and around the meshes.

    Source: Zhu et al., "Face alignment across large poses: a 3D solution", 2016, section 3.2.
    """
    meshes = [face.mesh for face in faces]
    colors = [mesh.topology.colors for mesh in meshes]
    return paint(image, meshes, colors, alpha=alpha, background=background)
