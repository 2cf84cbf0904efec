"""The `2d_sparse` overlay: 68 landmarks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal, TypeAlias, get_args

import numpy as np

from tddfa.imaging.draw import disc_coverage, joined_line_coverage
from tddfa.render.compose import Background, Drawing, blend_color, canvas, window_between
from tddfa.render.kernel import kernel
from tddfa.render.rasterizer import check_bounds
from tddfa.shapes import Float32
from tddfa.types import Face, Image
from tddfa.types.arguments import as_color, check_alpha, check_choice, faces_of

# The points of the outlines; those that close end where they begin. Source: Sagonas et al., "300 faces
# in-the-wild challenge", 2013, figure 1 (iBUG annotation), 0-based.
_OUTLINES = (
    range(17),  # jaw
    range(17, 22),  # right brow
    range(22, 27),  # left brow
    range(27, 31),  # bridge of the nose
    range(31, 36),  # nostrils
    (*range(36, 42), 36),  # right eye
    (*range(42, 48), 42),  # left eye
    (*range(48, 60), 48),  # outer lips
    (*range(60, 68), 60),  # inner lips
)
_LENGTHS = [len(outline) for outline in _OUTLINES]
_JOINED = np.concatenate(_OUTLINES)

_FACE_PER_LINE = 170.0  # size of the face in thicknesses of a line

Style: TypeAlias = Literal["fancy", "plain"]
"""How landmarks are drawn: as outlines with dots, or as dots alone."""


def draw_landmarks(
    image: Image,
    faces: Iterable[Face],
    *,
    style: Style = "fancy",
    color: tuple[int, int, int] | None = None,
    alpha: float = 0.8,
    background: Background = "photo",
) -> Drawing:
    """Return the image with the 68 landmarks of every face.

    Args:
        image: the image of the faces.
        faces: faces whose landmarks are drawn.
        style: "fancy" joins them to outlines; "plain" draws dots alone.
        color: RGB; None for white outlines or green dots.
        alpha: opacity of dots and lines.
        background: what lies under them.

    Raises:
        InputError: an argument is not possible; the message says what is.
    """
    faces = faces_of(image, faces)
    check_choice("style", style, get_args(Style))
    check_alpha(alpha)
    out = canvas(image, background)
    if color is None:
        color = (255, 255, 255) if style == "fancy" else (0, 255, 0)
    color = as_color(color)
    for face in faces:
        points: Float32[np.ndarray, "68 2"] = face.landmarks[:, :2]
        bounds = kernel.bounds(face.landmarks)
        check_bounds("a set of landmarks", *bounds)
        low, high = bounds[:, :2].tolist()
        size = math.sqrt((high[0] - low[0]) * (high[1] - low[1]))
        thickness = max(1, round(size / _FACE_PER_LINE))
        radius = max(1.0, 1.35 * size / _FACE_PER_LINE)
        x0, y0, w, h = window_between(low, high, 3 * radius + 2, *image.shape[:2])
        if w == 0 or h == 0:
            continue
        points = points - np.array([x0, y0], np.float32)
        if style == "fancy":
            lines = joined_line_coverage(points[_JOINED], _LENGTHS, thickness, h, w)
            blend_color(out, lines, color, alpha=alpha * 0.9, x0=x0, y0=y0)
            rim = disc_coverage(points, radius + max(0.7, 0.35 * radius), h, w)
            blend_color(out, rim, (0, 0, 0), alpha=alpha, x0=x0, y0=y0)
        blend_color(out, disc_coverage(points, radius, h, w), color, alpha=alpha, x0=x0, y0=y0)
    return out
