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


@dataclass(frozen=True, slots=True)
class BaseMesh:
    """The level-0 mesh, welded, and its texture layout, which has a seam and so its own quads."""

    source_vertex: Int64[np.ndarray, " n"]
    """Number of each vertex in the source mesh."""
    quads: Int32[np.ndarray, "n_quads 4"]
    uv: Float64[np.ndarray, "n_uv k"]
    """Texture coordinates: u and v of the layout of the head, and behind them those of the face."""
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
    island = islands(base.uv_quads[body], len(base.uv))
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
    return BaseMesh(
        source_vertex=source_vertex,
        quads=quads,
        uv=_upright_layout(base.uv[uv_source], ~eyeball[uv_vertex]),
        uv_quads=uv_quads,
        uv_vertex=uv_vertex,
        mirror=np.searchsorted(source_vertex, mirror[source_vertex]).astype(np.int32),
        eyeball=eyeball,
    )


def _upright_layout(
    uv: Float64[np.ndarray, "n_uv 2"], skin: Bool[np.ndarray, " n_uv"]
) -> Float64[np.ndarray, "n_uv 2"]:
    """Return the source layout, in which the head lies on its side, turned upright; skin fills the square."""
    turned = np.stack([uv[:, 1], -uv[:, 0]], axis=1)
    low, high = turned[skin].min(axis=0), turned[skin].max(axis=0)
    return (turned - low) / (high - low)


def islands(uv_quads: Int64[np.ndarray, "n_quads 4"], n_uv: int) -> Int64[np.ndarray, " n_quads"]:
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
