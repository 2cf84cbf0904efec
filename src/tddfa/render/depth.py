"""The `depth` overlay and the raw depth map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tddfa.imaging.colormap import false_colors
from tddfa.render.compose import Background, Picture, paint
from tddfa.render.rasterizer import rasterize
from tddfa.shapes import Bool, Float32
from tddfa.types import Face, Image


def draw_depth(
    image: Image,
    faces: Sequence[Face],
    *,
    colormap: str | None = None,
    alpha: float = 1.0,
    background: Background = "photo",
) -> Picture:
    """The picture with every face as a height map: white is nearest to the camera, black farthest.

    All faces share one range, so equal grey is equal depth.

    Args:
        image: the photo.
        faces: whose meshes to draw.
        colormap: turbo, viridis, magma, … for false colours: the last one is nearest; None for grey.
        alpha: how much of the photo the mesh hides.
        background: what lies under and around the meshes.

    Raises:
        InputError: there is no such colour map.
    """
    meshes = [face.mesh for face in faces]
    # The range of the meshes, not of what shows of them: it does not jump when a face turns.
    near = min((float(m.vertices[:, 2].min()) for m in meshes), default=0.0)
    far = max((float(m.vertices[:, 2].max()) for m in meshes), default=1.0)
    scale = np.float32(1 / max(far - near, 1e-30))
    grey = [(np.float32(far) - m.vertices[:, 2:]) * scale for m in meshes]
    if colormap is not None:
        grey = [false_colors(g[:, 0], colormap) for g in grey]
    return paint(image, meshes, grey, alpha=alpha, background=background)


def depth_map(
    image: Image, faces: Sequence[Face]
) -> tuple[Float32[np.ndarray, "height width"], Bool[np.ndarray, "height width"]]:
    """Depth of every pixel, and where there is one.

    Args:
        image: the photo; only its size counts.
        faces: whose meshes to measure.

    Returns:
        z in px away from the camera, 0 at the origin of each face's model; NaN where there is no face.
        The mask of the pixels that have a depth.
    """
    fragments = rasterize([face.mesh for face in faces], *image.shape[:2])
    depth = np.full(image.shape[:2], np.nan, np.float32)
    mask = np.zeros(image.shape[:2], bool)
    mask[fragments.region] = fragments.mask
    depth[mask] = fragments.depth[fragments.mask]
    return depth, mask
