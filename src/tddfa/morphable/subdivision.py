"""Catmull-Clark subdivision of quad meshes as a reusable linear operator."""

from __future__ import annotations

import numpy as np

from tddfa import native
from tddfa.dataclass import dataclass
from tddfa.shapes import Float, Float32, Int, Int32, Int64


@dataclass(frozen=True, slots=True)
class Subdivision:
    """One level of Catmull-Clark refinement of a fixed quad mesh, as an operator on its vertices.

    The refined vertices: the moved old ones (their indices stay), then one per edge, then one per quad.

    Source: Catmull and Clark, "Recursively generated B-spline surfaces on arbitrary topological meshes",
    1978; boundaries and creases are cubic B-spline curves.
    """

    n_coarse: int
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
        """Return the number of vertices of the refined mesh."""
        return self.n_coarse + len(self.inner_edges) + len(self.boundary_edges) + len(self.coarse_quads)

    def __call__(self, values: Float[np.ndarray, "n_coarse ..."]) -> Float[np.ndarray, "n_fine ..."]:
        """Return refined values: positions, UVs, basis vectors, anything that is linear in the vertices.

        Args:
            values: values of the coarse vertices, one row each.

        Returns:
            One row per vertex of the refined mesh, same dtype.
        """
        n_channels = int(np.prod(values.shape[1:], dtype=np.int64))
        rows = values.reshape(self.n_coarse, n_channels)
        natively = native.kernel is not None and values.dtype == np.float32
        fine = self._natively_refined(rows) if natively else self._plainly_refined(rows)
        return fine.reshape(self.n_fine, *values.shape[1:])

    def _natively_refined(self, rows: Float32[np.ndarray, "n_coarse c"]) -> Float32[np.ndarray, "n_fine c"]:
        assert native.kernel is not None
        fine = np.empty((self.n_fine, rows.shape[1]), np.float32)
        quads, inner, boundary, rim = (
            np.ascontiguousarray(index)
            for index in (self.coarse_quads, self.inner_edges, self.boundary_edges, self.boundary_vertices)
        )
        stars = tuple(
            (len(star), np.ascontiguousarray(vertices), star.shape[1], np.ascontiguousarray(star))
            for vertices, star in self.stars
        )
        native.kernel.subdivide(
            *rows.shape,
            np.ascontiguousarray(rows),
            *(len(quads), quads),
            *(len(inner), inner),
            *(len(boundary), boundary),
            stars,
            *(len(rim), rim),
            fine,
        )
        return fine

    def _plainly_refined(self, rows: Float[np.ndarray, "n_coarse c"]) -> Float[np.ndarray, "n_fine c"]:
        """The twin of the kernel."""
        n_channels, dtype = rows.shape[1], rows.dtype
        # numpy gathers rows of 16 bytes several times faster than rows of 12.
        padded = n_channels + 1 if n_channels == 3 and dtype == np.float32 else n_channels
        n_quads, n_inner = len(self.coarse_quads), len(self.inner_edges)
        coarse = np.zeros((self.n_coarse + n_quads, padded), dtype)
        coarse[: self.n_coarse, :n_channels] = rows
        quad_points = _gathered_sum(coarse, self.coarse_quads)
        quad_points *= 0.25
        coarse[self.n_coarse :] = quad_points

        fine = np.empty((self.n_fine, padded), dtype)
        edges_at, quads_at = self.n_coarse, self.n_fine - n_quads
        boundary_at = edges_at + n_inner
        np.multiply(_gathered_sum(coarse, self.inner_edges), 0.25, out=fine[edges_at:boundary_at])
        np.multiply(_gathered_sum(coarse, self.boundary_edges), 0.5, out=fine[boundary_at:quads_at])
        fine[quads_at:] = quad_points
        for vertices, star in self.stars:
            valence = star.shape[1] // 2
            points = _gathered_sum(coarse, star)
            points *= 1 / valence**2
            points += coarse.take(vertices, axis=0) * np.asarray((valence - 2) / valence, dtype)
            fine[vertices] = points
        vertex, before, after = self.boundary_vertices.T
        fine[vertex] = 0.75 * coarse[vertex] + 0.125 * (coarse[before] + coarse[after])
        return np.ascontiguousarray(fine[:, :n_channels])


@dataclass(frozen=True, slots=True)
class Refinement(Subdivision):
    """The operator that refines a quad mesh, and the refined mesh itself."""

    quads: Int32[np.ndarray, "n_fine_quads 4"]
    """Quads of the refined mesh, four per coarse quad."""
    creases: Int32[np.ndarray, "n_fine_creases 2"]
    """Creases of the refined mesh."""


def catmull_clark(
    quads: Int32[np.ndarray, "n_quads 4"],
    n_vertices: int,
    creases: Int32[np.ndarray, "n_creases 2"] | None = None,
) -> Refinement:
    """Return the operator that refines a quad mesh once, and the refined mesh.

    Args:
        quads: counter-clockwise quads of a manifold mesh, with or without boundaries.
        n_vertices: number of vertices of the mesh.
        creases: edges that stay sharp, in closed loops; each is refined like a boundary, so that the surface
            on one side does not depend on the other side.

    Raises:
        ValueError: the mesh is not manifold, or a boundary or crease is no closed loop.
    """
    n_quads = len(quads)
    ends = np.stack([quads, np.roll(quads, -1, axis=1)], axis=-1).reshape(-1, 2)
    keys, first, edge_of_side, counts = np.unique(
        _edge_keys(ends, n_vertices), return_index=True, return_inverse=True, return_counts=True
    )
    if counts.max(initial=0) > 2:
        a, b = divmod(int(keys[counts.argmax()]), n_vertices)
        raise ValueError(f"the mesh is not manifold: {counts.max()} quads meet at the edge {a}-{b}")
    sharp = counts == 1
    if creases is not None:
        sharp |= np.isin(keys, _edge_keys(creases, n_vertices))
    inner, boundary = np.flatnonzero(~sharp), np.flatnonzero(sharp)
    sides = np.argsort(edge_of_side, kind="stable")
    starts = np.searchsorted(edge_of_side[sides], np.arange(len(keys)))
    pair = np.stack([sides[starts[inner]] // 4, sides[starts[inner] + 1] // 4], axis=1) + n_vertices
    both_ends = np.stack(np.divmod(keys[inner], n_vertices), axis=1)
    boundary_edges = ends[first[boundary]]

    order = np.empty(len(keys), np.int64)
    order[inner] = np.arange(len(inner))
    order[boundary] = len(inner) + np.arange(len(boundary))
    edge_points = n_vertices + order[edge_of_side].reshape(n_quads, 4)
    centres = n_vertices + len(keys) + np.arange(n_quads)
    fine = [
        np.stack([quads[:, i], edge_points[:, i], centres, edge_points[:, i - 1]], axis=1) for i in range(4)
    ]
    fine_creases = np.zeros((0, 2), np.int64)
    if creases is not None:
        middle = n_vertices + order[np.searchsorted(keys, _edge_keys(creases, n_vertices))]
        fine_creases = np.concatenate([np.stack([creases[:, side], middle], axis=1) for side in (0, 1)])

    corner = quads.reshape(-1)
    valence = np.bincount(corner, minlength=n_vertices)
    rim = _boundary_neighbours(boundary_edges, np.flatnonzero(valence == 0))
    on_rim = np.zeros(n_vertices, bool)
    on_rim[rim[:, 0]] = True
    # Around an inner vertex each quad contributes itself and the neighbour that follows the vertex in it.
    by_vertex = np.argsort(corner, kind="stable")
    offset = np.concatenate([[0], np.cumsum(valence)])
    stars: list[tuple[np.ndarray, np.ndarray]] = []
    for k in np.unique(valence[~on_rim]):
        vertices = np.flatnonzero((valence == k) & ~on_rim)
        incident = by_vertex[offset[vertices][:, None] + np.arange(k)]
        star = np.concatenate([incident // 4 + n_vertices, ends[incident, 1]], axis=1)
        stars.append((vertices.astype(np.int32), star.astype(np.int32)))
    return Refinement(
        n_coarse=n_vertices,
        quads=np.concatenate(fine).astype(np.int32),
        creases=fine_creases.astype(np.int32),
        coarse_quads=quads.astype(np.int32),
        inner_edges=np.concatenate([both_ends, pair], axis=1).astype(np.int32),
        boundary_edges=boundary_edges.astype(np.int32),
        stars=tuple(stars),
        boundary_vertices=rim.astype(np.int32),
    )


def _edge_keys(edges: Int[np.ndarray, "n 2"], n_vertices: int) -> Int64[np.ndarray, " n"]:
    """Return one number per edge, whatever its direction; in the order of the lower and the higher end."""
    ends = np.sort(edges.astype(np.int64), axis=1)
    return ends[:, 0] * n_vertices + ends[:, 1]


def _boundary_neighbours(
    edges: Int[np.ndarray, "n_boundary 2"], alone: Int64[np.ndarray, " n_alone"]
) -> Int64[np.ndarray, "n_rim 3"]:
    """Return each boundary vertex with its two neighbours along the boundary, in order of the vertices.

    Args:
        edges: the boundary edges.
        alone: vertices without quads, which stay where they are: their neighbours are themselves.
    """
    here = np.concatenate([edges[:, 0], edges[:, 1], alone, alone])
    there = np.concatenate([edges[:, 1], edges[:, 0], alone, alone])
    order = np.argsort(here, kind="stable")
    here, there = here[order], there[order]
    vertices, counts = np.unique(here, return_counts=True)
    if (counts != 2).any():
        odd = vertices[(counts != 2).argmax()]
        raise ValueError(f"boundaries and creases are closed loops; that of vertex {odd} is not")
    return np.column_stack([vertices, there.reshape(-1, 2)]).astype(np.int64)


def _gathered_sum(rows: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return the sum over the columns of `index` of the rows that they name."""
    total = rows.take(index[:, 0], axis=0)
    for column in range(1, index.shape[1]):
        total += rows.take(index[:, column], axis=0)
    return total
