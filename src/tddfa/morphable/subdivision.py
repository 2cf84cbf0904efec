"""Catmull-Clark subdivision of quad meshes as a reusable linear operator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tddfa.shapes import Float, Int32


@dataclass(frozen=True, slots=True)
class Subdivision:
    """One level of Catmull-Clark refinement of a fixed quad mesh.

    The refined vertices: the moved old ones (their indices stay), then one per edge, then one per quad.

    Source: Catmull and Clark, "Recursively generated B-spline surfaces on arbitrary topological meshes",
    1978; boundaries are cubic B-spline curves.
    """

    n_coarse: int
    quads: Int32[np.ndarray, "n_fine_quads 4"]
    """Quads of the refined mesh."""
    coarse_quads: Int32[np.ndarray, "n_quads 4"]
    inner_edges: Int32[np.ndarray, "n_inner 4"]
    """Both end vertices and both neighbouring quads of each inner edge."""
    boundary_edges: Int32[np.ndarray, "n_boundary 2"]
    stars: tuple[tuple[Int32[np.ndarray, " _"], Int32[np.ndarray, "_ _"]], ...]
    """Per valence k: inner vertices, and for each its k quads (shifted by `n_coarse`) and k neighbours."""
    boundary_vertices: Int32[np.ndarray, "n_rim 3"]
    """A boundary vertex and its two neighbours along the boundary; a vertex without quads, three times."""

    @property
    def n_fine(self) -> int:
        """Number of vertices of the refined mesh."""
        return self.n_coarse + len(self.inner_edges) + len(self.boundary_edges) + len(self.coarse_quads)

    def __call__(self, values: Float[np.ndarray, "n_coarse ..."]) -> Float[np.ndarray, "n_fine ..."]:
        """Refined values: positions, UVs, basis vectors, colours (anything that is linear in the vertices).

        Args:
            values: one row per vertex of the coarse mesh.

        Returns:
            One row per vertex of the refined mesh, same dtype.
        """
        n_channels = int(np.prod(values.shape[1:], dtype=np.int64))
        rows = values.reshape(self.n_coarse, n_channels)
        # numpy gathers rows of 16 bytes several times faster than rows of 12.
        padded = n_channels + 1 if n_channels == 3 and values.dtype == np.float32 else n_channels
        n_quads, n_inner = len(self.coarse_quads), len(self.inner_edges)
        coarse = np.zeros((self.n_coarse + n_quads, padded), values.dtype)
        coarse[: self.n_coarse, :n_channels] = rows
        quad_points = _gathered_sum(coarse, self.coarse_quads)
        quad_points *= 0.25
        coarse[self.n_coarse :] = quad_points

        fine = np.empty((self.n_fine, padded), values.dtype)
        edges_at, quads_at = self.n_coarse, self.n_fine - n_quads
        boundary_at = edges_at + n_inner
        np.multiply(_gathered_sum(coarse, self.inner_edges), 0.25, out=fine[edges_at:boundary_at])
        np.multiply(_gathered_sum(coarse, self.boundary_edges), 0.5, out=fine[boundary_at:quads_at])
        fine[quads_at:] = quad_points
        for vertices, star in self.stars:
            valence = star.shape[1] // 2
            points = _gathered_sum(coarse, star)
            points *= 1 / valence**2
            points += coarse.take(vertices, axis=0) * np.asarray((valence - 2) / valence, values.dtype)
            fine[vertices] = points
        vertex, before, after = self.boundary_vertices.T
        fine[vertex] = 0.75 * coarse[vertex] + 0.125 * (coarse[before] + coarse[after])
        return np.ascontiguousarray(fine[:, :n_channels]).reshape(self.n_fine, *values.shape[1:])


def catmull_clark(quads: Int32[np.ndarray, "n_quads 4"], n_vertices: int) -> Subdivision:
    """The operator that refines a quad mesh once.

    Args:
        quads: counter-clockwise quads of a manifold mesh, with or without boundaries.
        n_vertices: number of its vertices.

    Returns:
        The operator; its `quads` are the refined mesh's, four per coarse quad.

    Raises:
        ValueError: the mesh is not manifold.
    """
    n_quads = len(quads)
    ends = np.stack([quads, np.roll(quads, -1, axis=1)], axis=-1).reshape(-1, 2)
    keys, first, edge_of_side, counts = np.unique(
        np.sort(ends, axis=1), axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    if counts.max(initial=0) > 2:
        a, b = keys[counts.argmax()]
        raise ValueError(f"the mesh is not manifold: {counts.max()} quads meet at the edge {a}-{b}")
    edge_of_side = edge_of_side.reshape(-1)
    sides = np.argsort(edge_of_side, kind="stable")
    starts = np.searchsorted(edge_of_side[sides], np.arange(len(keys)))
    inner = np.flatnonzero(counts == 2)
    boundary = np.flatnonzero(counts == 1)
    pair = np.stack([sides[starts[inner]] // 4, sides[starts[inner] + 1] // 4], axis=1) + n_vertices
    inner_edges = np.concatenate([keys[inner], pair], axis=1)
    boundary_edges = ends[first[boundary]]

    order = np.empty(len(keys), np.int64)
    order[inner] = np.arange(len(inner))
    order[boundary] = len(inner) + np.arange(len(boundary))
    edge_points = n_vertices + order[edge_of_side].reshape(n_quads, 4)
    centres = n_vertices + len(keys) + np.arange(n_quads)
    fine = [
        np.stack([quads[:, i], edge_points[:, i], centres, edge_points[:, i - 1]], axis=1) for i in range(4)
    ]

    on_boundary = np.zeros(n_vertices, bool)
    on_boundary[boundary_edges] = True
    after = np.full(n_vertices, -1)
    before = np.full(n_vertices, -1)
    after[boundary_edges[:, 0]] = boundary_edges[:, 1]
    before[boundary_edges[:, 1]] = boundary_edges[:, 0]
    corner = quads.reshape(-1)
    valence = np.bincount(corner, minlength=n_vertices)
    # A vertex without quads stays where it is: its neighbours along the boundary are itself.
    alone = valence == 0
    after[alone] = before[alone] = np.flatnonzero(alone)
    rim = np.flatnonzero(on_boundary | alone)
    # Around an inner vertex each quad contributes itself and the neighbour that follows the vertex in it.
    by_vertex = np.argsort(corner, kind="stable")
    offset = np.concatenate([[0], np.cumsum(valence)])
    stars: list[tuple[np.ndarray, np.ndarray]] = []
    for k in np.unique(valence[~on_boundary & ~alone]):
        vertices = np.flatnonzero((valence == k) & ~on_boundary)
        incident = by_vertex[offset[vertices][:, None] + np.arange(k)]
        star = np.concatenate([incident // 4 + n_vertices, ends[incident, 1]], axis=1)
        stars.append((vertices.astype(np.int32), star.astype(np.int32)))
    return Subdivision(
        n_coarse=n_vertices,
        quads=np.concatenate(fine).astype(np.int32),
        coarse_quads=quads.astype(np.int32),
        inner_edges=inner_edges.astype(np.int32),
        boundary_edges=boundary_edges.astype(np.int32),
        stars=tuple(stars),
        boundary_vertices=np.stack([rim, before[rim], after[rim]], axis=1).astype(np.int32),
    )


def _gathered_sum(rows: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Sum over the columns of `index` of the rows they name."""
    total = rows.take(index[:, 0], axis=0)
    for column in range(1, index.shape[1]):
        total += rows.take(index[:, column], axis=0)
    return total
