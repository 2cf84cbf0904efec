"""The `depth` overlay and the raw depth map."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tddfa.imaging.colormap import COLORMAPS, false_colors
from tddfa.render.compose import Background, Drawing, paint
from tddfa.render.rasterizer import draw_face_values
from tddfa.shapes import Bool, Float32
from tddfa.types import Face, Image
from tddfa.types.arguments import check_choice, faces_of


def draw_depth(
    image: Image,
    faces: Iterable[Face],
    *,
    colormap: str | None = None,
    alpha: float = 1.0,
    background: Background = "photo",
) -> Drawing:
    """Return the image with every face as a height map: white is nearest to the camera, black farthest.

    All faces share one range, so equal grey is equal depth.

    Args:
        image: the image of the faces.
        faces: faces whose meshes are drawn.
        colormap: turbo, viridis, magma, … for false colours: the last one is nearest; None for grey.
        alpha: share of the image that the mesh hides.
        background: what lies under and around the meshes.

    Raises:
        InputError: an argument is not possible; the message says what is.
    """
    faces = faces_of(image, faces)
    if colormap is not None:
        check_choice("colormap", colormap, tuple(COLORMAPS))
    meshes = [face.mesh for face in faces]
    # The range of the meshes, not of what shows of them: it does not jump when a face turns.
    near = min((float(m.vertices[:, 2].min()) for m in meshes), default=0.0)
    far = max((float(m.vertices[:, 2].max()) for m in meshes), default=1.0)
    scale = np.float32(1 / max(far - near, 1e-30))
    grey = [(np.float32(far) - m.vertices[:, 2:]) * scale for m in meshes]
    if colormap is not None:
        grey = [false_colors(g[:, 0], colormap) for g in grey]
    return paint(image, faces, grey, alpha=alpha, background=background)


def depth_map(
    image: Image, faces: Iterable[Face]
) -> tuple[Float32[np.ndarray, "height width"], Bool[np.ndarray, "height width"]]:
    """Return the depth of every pixel, and where there is one.

    Args:
        image: the image of the faces; only its size counts.
        faces: faces whose meshes are measured; a nearer face hides a farther one as a whole.

    Returns:
        z in px away from the camera, 0 at the origin of each face's model; NaN where there is no face.
        The mask of the pixels that have a depth.

    Raises:
        InputError: an argument is not possible; the message says what is.
    """
    faces = faces_of(image, faces)
    nothing = [np.zeros((len(face.mesh.vertices), 0), np.float32) for face in faces]
    layer = draw_face_values(faces, nothing, *image.shape[:2])
    h, w = layer.depth.shape
    region = np.s_[layer.y0 : layer.y0 + h, layer.x0 : layer.x0 + w]
    depth = np.full(image.shape[:2], np.nan, np.float32)
    mask = np.zeros(image.shape[:2], bool)
    mask[region] = layer.mask
    depth[mask] = layer.depth[layer.mask]
    return depth, mask
