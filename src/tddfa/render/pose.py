"""The `pose` overlay: a box and axes that turn with the head."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tddfa.geometry.camera import camera_rotation
from tddfa.imaging.draw import line_coverage
from tddfa.render.compose import Background, Drawing, blend_color, canvas, window
from tddfa.render.rasterizer import check_bounds
from tddfa.shapes import Float64
from tddfa.types import Face, Image
from tddfa.types.arguments import as_color, check_alpha, check_flag, faces_of

# Model frame (x to the subject's left, y up, z out of the face), in units of half the rear side: a square
# on the face and a larger one before it, corner by corner, as 3DDFA_V2 draws it.
_REAR = np.array([[-1, -1, 0], [-1, 1, 0], [1, 1, 0], [1, -1, 0]], float)
_FRONT = _REAR * (4 / 3) + np.array([0, 0, 4 / 3])
# Thickness of the box, px, whose axes of twice that OpenCV still draws: it takes up to 32767.
_THICKEST = 16383
_AXES = (("x", (255, 60, 60)), ("y", (60, 220, 60)), ("z", (70, 110, 255)))


def draw_pose(
    image: Image,
    faces: Iterable[Face],
    *,
    color: tuple[int, int, int] = (0, 255, 40),
    alpha: float = 1.0,
    axes: bool = True,
    background: Background = "photo",
) -> Drawing:
    """Return the image with a box in front of every face, and the axes of the head.

    Red points to the subject's left, green up, blue out of the face.

    Args:
        image: the image of the faces.
        faces: faces whose poses are drawn.
        color: RGB of the box.
        alpha: opacity of the lines.
        axes: also draw the axes.
        background: what lies under them.

    Raises:
        InputError: an argument is not possible; the message says what is.
    """
    faces = faces_of(image, faces)
    color = as_color(color)
    check_alpha(alpha)
    check_flag("axes", axes)
    out = canvas(image, background)
    for face in faces:
        R = camera_rotation(face.params.camera)
        low, high = face.landmarks.min(axis=0), face.landmarks.max(axis=0)
        check_bounds("a set of landmarks", low, high)
        low, high = low[:2], high[:2]
        size = float((high - low).max()) * np.sqrt(2) / 3
        # The middle of jaw and brows: points that no expression moves sideways.
        center = face.landmarks[:27, :2].astype(np.float64).mean(axis=0)
        rear, front = (_turned(R, size * corners, center) for corners in (_REAR, _FRONT))
        thickness = min(max(1, round(size / 45)), _THICKEST)
        x0, y0, w, h = window(np.concatenate([rear, front]), 2 * thickness + 2, *image.shape[:2])
        if w == 0 or h == 0:
            continue
        origin = np.array([x0, y0])
        squares = line_coverage([rear - origin, front - origin], thickness, h, w, closed=True)
        edges = line_coverage(list(np.stack([rear, front], axis=1) - origin), thickness, h, w)
        blend_color(out, np.maximum(squares, edges), color, alpha=alpha, x0=x0, y0=y0)
        if axes:
            tips = size * np.eye(3)
            # The axis that points farthest away goes first, so that nearer ones lie over it.
            for k in np.argsort(-(R @ tips)[2]):
                path = np.stack([center, _turned(R, tips[:, k][None], center)[0]]) - origin
                line = line_coverage([path], 2 * thickness, h, w)
                blend_color(out, line, _AXES[k][1], alpha=alpha, x0=x0, y0=y0)
    return out


def _turned(
    R: Float64[np.ndarray, "3 3"], points: Float64[np.ndarray, "n 3"], center: Float64[np.ndarray, "2"]
) -> Float64[np.ndarray, "n 2"]:
    return (points @ R.T)[:, :2] + center
