"""The `pncc` overlay: the projected normalised coordinate code."""

from __future__ import annotations

from collections.abc import Sequence

from tddfa.render.compose import Background, Picture, paint
from tddfa.render.rasterizer import rasterize
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
    fragments = rasterize([face.mesh for face in faces], *image.shape[:2])
    colors = fragments.interpolate([face.mesh.topology.colors for face in faces])
    return paint(image, fragments, colors, alpha=alpha, background=background)
