"""The `2d_sparse` overlay: 68 landmarks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float32

from tddfa.imaging.draw import disc_coverage, line_coverage
from tddfa.render.compose import Background, Picture, canvas, tint, window
from tddfa.types import Face, Image

# First and last point and whether the outline closes. Source: Sagonas et al., "300 faces in-the-wild
# challenge", 2013, figure 1 (iBUG annotation), 0-based.
_OUTLINES = (
    (0, 16, False),  # jaw
    (17, 21, False),  # right brow
    (22, 26, False),  # left brow
    (27, 30, False),  # bridge of the nose
    (31, 35, False),  # nostrils
    (36, 41, True),  # right eye
    (42, 47, True),  # left eye
    (48, 59, True),  # outer lips
    (60, 67, True),  # inner lips
)

_FACE_PER_LINE = 170.0  # a line is this part of the face's size thick


def draw_landmarks(
    image: Image,
    faces: Sequence[Face],
    *,
    style: Literal["fancy", "plain"] = "fancy",
    color: tuple[int, int, int] | None = None,
    alpha: float = 0.8,
    background: Background = "photo",
) -> Picture:
    """The picture with the 68 landmarks of every face.

    Args:
        image: the photo.
        faces: whose landmarks to draw.
        style: "fancy" joins them to outlines; "plain" draws dots alone.
        color: RGB; None for white outlines or green dots.
        alpha: opacity of dots and lines.
        background: what lies under them.
    """
    out = canvas(image, background)
    color = color or ((255, 255, 255) if style == "fancy" else (0, 255, 0))
    for face in faces:
        points: Float32[np.ndarray, "68 2"] = face.landmarks[:, :2]
        size = float(np.sqrt(np.prod(np.ptp(points, axis=0))))
        thickness = max(1, round(size / _FACE_PER_LINE))
        radius = max(1.0, 1.35 * size / _FACE_PER_LINE)
        x0, y0, w, h = window(points, 3 * radius + 2, *image.shape[:2])
        if w == 0 or h == 0:
            continue
        points = points - np.array([x0, y0], np.float32)
        if style == "fancy":
            paths = [points[[*range(a, b + 1), *[a] * loop]] for a, b, loop in _OUTLINES]
            tint(out, line_coverage(paths, thickness, h, w), color, alpha=alpha * 0.9, x0=x0, y0=y0)
            rim = disc_coverage(points, radius + max(0.7, 0.35 * radius), h, w)
            tint(out, rim, (0, 0, 0), alpha=alpha, x0=x0, y0=y0)
        tint(out, disc_coverage(points, radius, h, w), color, alpha=alpha, x0=x0, y0=y0)
    return out
