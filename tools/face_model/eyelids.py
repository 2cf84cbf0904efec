"""Which vertices of the head are eyelids: rings around the eye openings, and the gaps between the lids."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from jaxtyping import Float64, Int64

from face_model.base_mesh import BaseMesh
from tddfa.morphable.eyelids import Eyelids

MARGIN = 3
"""Number of the ring that carries the lashes; rings 0 to 2 lie inside, against the eyeball."""
CORNERS = {"left": (6805, 6850), "right": (21, 66)}
"""Outer and inner corner on the margin, vertices of the source."""
UPPER = {"left": 6784, "right": 0}
"""A vertex of each upper lid's margin."""
FALLOFF = (0.9, 0.7, 0.45, 0.2)
"""How much of the margin's correction the rings outside it follow."""


def eye_rings(mesh: BaseMesh, side: str, n_rings: int) -> Int64[np.ndarray, "n_rings 28"]:
    """Vertices of the rings around an eye opening; column i of all rings is one line away from the eye.

    Args:
        mesh: the head mesh.
        side: `left` or `right`, the subject's.
        n_rings: how many, the opening's edge being the first.
    """
    neighbours, rim = mesh.neighbours(), mesh.rim()
    margin = set(mesh.index(np.array(CORNERS[side])).tolist())
    # The opening's edge lies MARGIN steps inside the margin; walk out to it from the corner.
    front = {min(margin)}
    while not front & rim:
        front = set[int]().union(*(neighbours[v] for v in front))
    loop = [min(front & rim)]
    while True:
        following = sorted(neighbours[loop[-1]] & rim - set(loop))
        if not following:
            break
        loop.append(following[0])
    rings = [loop]
    seen = set(loop)
    for _ in range(n_rings - 1):
        outward: list[int] = []
        for vertex in rings[-1]:
            (step,) = neighbours[vertex] - seen
            outward.append(step)
        seen |= set(outward)
        rings.append(outward)
    return np.array(rings)


def lid_columns(
    mesh: BaseMesh, side: str, rings: Int64[np.ndarray, "n_rings 28"]
) -> tuple[Int64[np.ndarray, " n_upper"], Int64[np.ndarray, " n_lower"]]:
    """Columns of the upper and of the lower lid, from the outer to the inner corner, with the corners."""
    margin = rings[MARGIN].tolist()
    outer, inner = (margin.index(v) for v in mesh.index(np.array(CORNERS[side])).tolist())
    size = len(margin)
    forward = np.arange(outer, outer + (inner - outer) % size + 1) % size
    backward = np.arange(outer, outer - (outer - inner) % size - 1, -1) % size
    upper = margin.index(int(mesh.index(np.array([UPPER[side]]))[0]))
    return (forward, backward) if upper in forward else (backward, forward)


def find_eyelids(mesh: BaseMesh, mean: Float64[np.ndarray, "n 3"], blink: tuple[int, int]) -> Eyelids:
    """The lids' gaps and the vertices that close them.

    Args:
        mesh: the head mesh.
        mean: the mean face, mm; points of the lids face each other where they have the same x on it.
        blink: number of the expressions eyeBlinkLeft and eyeBlinkRight.
    """
    gap_vertices: list[list[int]] = []
    gap_weights: list[list[float]] = []
    gap_eye: list[int] = []
    spread: list[tuple[int, int, float]] = []
    for eye, side in enumerate(("left", "right")):
        rings = eye_rings(mesh, side, MARGIN + len(FALLOFF) + 1)
        upper, lower = lid_columns(mesh, side, rings)
        along = np.sign(mean[rings[MARGIN, upper[-1]], 0] - mean[rings[MARGIN, upper[0]], 0])
        for ring in range(MARGIN + 1):
            lower_x = mean[rings[ring, lower], 0] * along
            lower_x = np.maximum.accumulate(lower_x + np.arange(len(lower)) * 1e-6)
            for column in upper[1:-1]:
                x = mean[rings[ring, column], 0] * along
                after = int(np.clip(np.searchsorted(lower_x, x), 1, len(lower) - 1))
                share = float(np.clip((x - lower_x[after - 1]) / (lower_x[after] - lower_x[after - 1]), 0, 1))
                terms: dict[int, float] = defaultdict(float)
                for step, weight in _subdivision_mask(ring):
                    terms[int(rings[ring + step, lower[after - 1]])] += weight * (1 - share)
                    terms[int(rings[ring + step, lower[after]])] += weight * share
                    terms[int(rings[ring + step, column])] -= weight
                gap = len(gap_vertices)
                gap_vertices.append(list(terms))
                gap_weights.append(list(terms.values()))
                gap_eye.append(eye)
                spread.append((int(rings[ring, column]), gap, 1.0))
                if ring == MARGIN:
                    spread += [(int(rings[MARGIN + 1 + i, column]), gap, f) for i, f in enumerate(FALLOFF)]
    width = max(map(len, gap_vertices))
    vertices, gaps, weights = zip(*spread, strict=True)
    return Eyelids(
        gap_vertices=np.array([row + row[:1] * (width - len(row)) for row in gap_vertices], np.int32),
        gap_weights=np.array([row + [0.0] * (width - len(row)) for row in gap_weights], np.float32),
        gap_eye=np.array(gap_eye, np.int32),
        spread_vertices=np.array(vertices, np.int32),
        spread_gap=np.array(gaps, np.int32),
        spread_weights=np.array(weights, np.float32),
        blink=blink,
    )


def _subdivision_mask(ring: int) -> list[tuple[int, float]]:
    """Weights of the rings beside a ring in its place on the subdivided mesh, where the lids have to meet."""
    return [(0, 1.0)] if ring == 0 else [(-1, 1 / 8), (0, 6 / 8), (1, 1 / 8)]
