"""The head that is cut out of the source body: skin of the head and neck, and the front of both eyeballs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int32, Int64

from face_model.source import BaseObject

NOSE_TIP = 5054
EYE_CORNERS = (21, 66, 6850, 6805)  # landmarks 36, 39, 42, 45 of ibug68: outer, inner, inner, outer
EYEBALLS = {"left": range(14598, 14670), "right": range(14670, 14742)}
EYEBALL_BEHIND_CENTRE = 0.5
"""How far behind the eyeball's centre its front cap begins, mm; lids hide what is further back."""
EYEBALL_UV_SIZE = 0.11
"""Side of the square that each eyeball gets in an upper corner of the texture."""


@dataclass(frozen=True, slots=True)
class BaseMesh:
    """The level-0 mesh, welded, and its texture layout, which has a seam and so its own quads."""

    source_vertex: Int64[np.ndarray, " n"]
    """Number of each vertex in the source mesh."""
    quads: Int32[np.ndarray, "n_quads 4"]
    uv: Float64[np.ndarray, "n_uv 2"]
    uv_quads: Int32[np.ndarray, "n_quads 4"]
    uv_vertex: Int32[np.ndarray, " n_uv"]
    """Vertex that each texture coordinate belongs to."""
    mirror: Int32[np.ndarray, " n"]
    """Partner of each vertex on the other side."""
    eyeball: Bool[np.ndarray, " n"]

    def index(self, source_vertices: Int64[np.ndarray, " k"]) -> Int64[np.ndarray, " k"]:
        """Where vertices of the source mesh are in this one."""
        found = np.searchsorted(self.source_vertex, source_vertices)
        if not np.array_equal(
            self.source_vertex[np.minimum(found, len(self.source_vertex) - 1)], source_vertices
        ):
            raise ValueError("a vertex lies outside the head")
        return found

    def neighbours(self) -> list[set[int]]:
        """For each vertex those it shares an edge with."""
        beside: list[set[int]] = [set() for _ in self.source_vertex]
        for quad in self.quads.tolist():
            for a, b in zip(quad, quad[1:] + quad[:1], strict=True):
                beside[a].add(b)
                beside[b].add(a)
        return beside

    def rim(self) -> set[int]:
        """The vertices on the mesh's boundaries."""
        uses: dict[tuple[int, int], int] = defaultdict(int)
        for quad in self.quads.tolist():
            for a, b in zip(quad, quad[1:] + quad[:1], strict=True):
                uses[min(a, b), max(a, b)] += 1
        return {vertex for edge, n in uses.items() if n == 1 for vertex in edge}

    def mouth_rim(self, positions: Float64[np.ndarray, "n 3"]) -> set[int]:
        """The vertices on the edge of the mouth's opening, by where they lie under the eyes."""
        x, y, z = positions.T
        in_mouth = (np.abs(x) < 35) & (y < -40) & (y > -90) & (z > -20)
        return {vertex for vertex in self.rim() if in_mouth[vertex]}


def rings_around(mesh: BaseMesh, rim: set[int], n_rings: int) -> list[list[int]]:
    """Vertices at 0, 1, 2, … edges from a rim."""
    beside = mesh.neighbours()
    rings, seen = [sorted(rim)], set(rim)
    for _ in range(n_rings - 1):
        ring = set[int]().union(*(beside[vertex] for vertex in rings[-1])) - seen
        seen |= ring
        rings.append(sorted(ring))
    return rings


def cut_head(base: BaseObject, mirror: Int64[np.ndarray, " n_source"]) -> BaseMesh:
    """The head mesh.

    Args:
        base: the source mesh.
        mirror: partner of each of its vertices.
    """
    body = np.flatnonzero(base.groups == "body")
    island = _islands(base.uv_quads[body], len(base.uv))
    with_nose = island[np.any(base.quads[body] == NOSE_TIP, axis=1)][0]
    chosen = [body[island == with_nose]]
    for name, vertices in EYEBALLS.items():
        quads = np.flatnonzero(base.groups == f"helper-{name[0]}-eye")
        z = base.vertices[:, 2]
        front = z[vertices].mean() - EYEBALL_BEHIND_CENTRE
        chosen.append(quads[(z[base.quads[quads]] > front).all(axis=1)])
    which = np.concatenate(chosen)
    source_vertex, quads = np.unique(base.quads[which], return_inverse=True)
    uv_source, uv_quads = np.unique(base.uv_quads[which], return_inverse=True)
    quads = quads.reshape(-1, 4).astype(np.int32)
    uv_quads = uv_quads.reshape(-1, 4).astype(np.int32)
    uv_vertex = np.empty(len(uv_source), np.int32)
    uv_vertex[uv_quads] = quads
    eyeball = source_vertex >= EYEBALLS["left"].start
    left_eyeball = eyeball & (source_vertex < EYEBALLS["right"].start)
    side = np.where(left_eyeball, 1, np.where(eyeball, -1, 0))
    return BaseMesh(
        source_vertex=source_vertex,
        quads=quads,
        uv=_upright_layout(base.uv[uv_source], base.vertices[source_vertex[uv_vertex]], side[uv_vertex]),
        uv_quads=uv_quads,
        uv_vertex=uv_vertex,
        mirror=np.searchsorted(source_vertex, mirror[source_vertex]).astype(np.int32),
        eyeball=eyeball,
    )


def _upright_layout(
    uv: Float64[np.ndarray, "n_uv 2"],
    points: Float64[np.ndarray, "n_uv 3"],
    eyeball_side: Int64[np.ndarray, " n_uv"],
) -> Float64[np.ndarray, "n_uv 2"]:
    """The source layout turned upright, the skin filling the unit square, the eyeballs in its upper corners.

    Args:
        uv: the source layout, in which the head lies on its side.
        points: the vertex of each texture coordinate.
        eyeball_side: 1 on the left eyeball, -1 on the right one, 0 on the skin.
    """
    upright = np.stack([uv[:, 1], -uv[:, 0]], axis=1)
    placed = np.empty_like(upright)
    skin = upright[eyeball_side == 0]
    low, high = skin.min(axis=0), skin.max(axis=0)
    placed[eyeball_side == 0] = (skin - low) / (high - low)
    for side in (-1, 1):
        # Azimuthal equidistant map of the cap from the front: nothing overlaps and the iris is round.
        cap = points[eyeball_side == side]
        direction = cap - (cap.min(axis=0) + cap.max(axis=0)) / 2
        direction[:, 2] = cap[:, 2] - cap[:, 2].min()
        across = np.linalg.norm(direction[:, :2], axis=1, keepdims=True)
        angle = np.arctan2(across, direction[:, 2:])
        disc = direction[:, :2] / np.maximum(across, 1e-9) * angle / angle.max()
        corner = np.array([0.0 if side < 0 else 1 - EYEBALL_UV_SIZE, 1 - EYEBALL_UV_SIZE])
        placed[eyeball_side == side] = corner + (disc + 1) / 2 * EYEBALL_UV_SIZE
    return placed


def _islands(uv_quads: Int64[np.ndarray, "n_quads 4"], n_uv: int) -> Int64[np.ndarray, " n_quads"]:
    """A number per quad, the same for quads joined in the texture layout."""
    label = np.arange(n_uv)
    while True:
        lowest = label[uv_quads].min(axis=1)
        spread = label.copy()
        np.minimum.at(spread, uv_quads.ravel(), np.repeat(lowest, 4))
        spread = spread[spread]
        if np.array_equal(spread, label):
            return lowest
        label = spread
