"""Lips that touch on the neutral face; the source's stand a little apart once the mesh is refined."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from face_model.base_mesh import BaseMesh, rings_around

RAISE_MM = 0.4
"""How far the middle of the lower lip goes up; the gap is 0.2 mm in the middle and 0.5 mm beside it."""
FALLOFF = (1.0, 1.0, 1.0, 0.8, 0.5, 0.2)
"""How much of it the rings around the mouth's opening follow."""


def close_lips(
    mesh: BaseMesh, mean: Float64[np.ndarray, "n 3"], jaw_open: Float64[np.ndarray, "n 3"]
) -> Float64[np.ndarray, "n 3"]:
    """The mean face with its lower lip raised to the upper one.

    Args:
        mesh: the head mesh.
        mean: the mean face, mm.
        jaw_open: displacement of jawOpen, which tells the lower lip from the upper one.
    """
    closed = mean.copy()
    for ring, weight in zip(rings_around(mesh, mesh.mouth_rim(mean), len(FALLOFF)), FALLOFF, strict=True):
        vertices = np.array(ring)
        x, drop = mean[vertices, 0], jaw_open[vertices, 1]
        lower = vertices[drop < drop.min() / 2]
        corner = np.abs(x).max()
        closed[lower, 1] += RAISE_MM * weight * (1 - (mean[lower, 0] / corner) ** 2)
    return closed
