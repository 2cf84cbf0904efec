"""Lips that touch on the neutral face; the source's stand a little apart once the mesh is refined."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from face_model.base_mesh import BaseMesh, rings_around
from tddfa.morphable.subdivision import catmull_clark

OVERLAP_MM = 0.15
"""How far the lower lip ends in front of the upper one."""
N_INNER_RINGS = 4
"""Rings of the lips that can be seen through the slit."""
FALLOFF = (1.0, 1.0, 1.0, 1.0, 0.7, 0.4, 0.15)
"""How much of the closing the rings around the mouth's opening follow."""
N_ROUNDS = 3


def close_lips(
    mesh: BaseMesh, mean: Float64[np.ndarray, "n 3"], jaw_open: Float64[np.ndarray, "n 3"]
) -> Float64[np.ndarray, "n 3"]:
    """The mean face with both lips moved to where they touch, seen from the front.

    Args:
        mesh: the head mesh.
        mean: the mean face, mm.
        jaw_open: displacement of jawOpen, which tells the lower lip from the upper one.
    """
    refine = catmull_clark(mesh.quads, len(mean))
    rings = [np.array(ring) for ring in rings_around(mesh, mesh.mouth_rim(mean), len(FALLOFF))]
    # Upper and lower half of each ring, each in order of x.
    order = [ring[np.argsort(mean[ring, 0])] for ring in rings]
    lower = [ring[jaw_open[ring, 1] < jaw_open[ring[[0, -1]], 1].mean()] for ring in order]
    upper = [ring[~np.isin(ring, low)] for ring, low in zip(order, lower, strict=True)]
    closed = mean.copy()
    for _ in range(N_ROUNDS):
        seen = refine(closed)[: len(mean)]

        def heights(halves: list[np.ndarray], x: np.ndarray, seen: np.ndarray = seen) -> np.ndarray:
            lines = halves[:N_INNER_RINGS]
            return np.array([np.interp(x, seen[half, 0], seen[half, 1]) for half in lines])

        for half, sign in ((lower, 1.0), (upper, -1.0)):
            for ring, weight in zip(half, FALLOFF, strict=True):
                x = seen[ring, 0]
                gap = heights(upper, x).min(axis=0) - heights(lower, x).max(axis=0) + OVERLAP_MM
                corner = np.abs(mean[order[0], 0]).max()
                within = np.clip((corner + 0.5 - np.abs(x)) / 2, 0, 1)  # the last two millimetres stay
                closed[ring, 1] += sign * weight * within * np.clip(gap, 0, None) / 2
    return closed
