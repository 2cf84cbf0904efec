"""Colours of sclera, iris and pupil."""

from __future__ import annotations

import numpy as np

from tddfa.shapes import Float, Float32

IRIS_RADIUS_MM = 5.8
"""Radius of the visible iris. Source: Rüfer et al., "White-to-white corneal diameter", 2005: 11.7 mm wide."""
PUPIL_RADIUS_MM = 2.0
LIMBUS_MM = 0.6
"""Width of the dark ring at the iris's edge."""
SOFT_MM = 0.25
"""Width of the soft edges of iris and pupil."""
ELSEWHERE = 1000.0
"""Offset of vertices that are not on an eyeball, mm."""

SCLERA_COLOR = (0.88, 0.86, 0.85)
IRIS_COLOR = (0.36, 0.25, 0.16)
PUPIL_COLOR = (0.03, 0.03, 0.03)


def eye_colors(
    offsets: Float[np.ndarray, "*shape 2"],
    *,
    iris: tuple[float, float, float] = IRIS_COLOR,
    sclera: tuple[float, float, float] = SCLERA_COLOR,
    pupil_radius_mm: float = PUPIL_RADIUS_MM,
) -> Float32[np.ndarray, "*shape 3"]:
    """Return the colours of an eye, RGB in [0, 1].

    Args:
        offsets: offsets from the middle of the pupil, mm: `Topology.pupil_offsets`, or interpolated to
            pixels or texels for sharp edges.
        iris: colour of the iris.
        sclera: colour of the white of the eye.
        pupil_radius_mm: radius of the pupil, mm.
    """
    radius = np.linalg.norm(offsets, axis=-1)

    def inside(edge: float) -> np.ndarray:
        return np.clip((edge - radius) / SOFT_MM + 0.5, 0, 1)[..., None]

    colors = np.broadcast_to(np.asarray(sclera), (*radius.shape, 3))
    rim, disc, pupil = inside(IRIS_RADIUS_MM), inside(IRIS_RADIUS_MM - LIMBUS_MM), inside(pupil_radius_mm)
    for color, share in (
        (np.multiply(iris, 0.45), rim),
        (np.asarray(iris), disc),
        (np.asarray(PUPIL_COLOR), pupil),
    ):
        colors = colors + share * (color - colors)
    return colors.astype(np.float32)
