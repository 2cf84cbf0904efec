"""A mesh with fewer vertices: refinement is undone where the surface is nearly flat in every expression."""

from __future__ import annotations

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.morphable.surface import Surface
from tddfa.shapes import Bool, Float32, Int
from tddfa.types import MeshPart

TOLERANCE_MM = 0.5
"""Largest distance of a vertex that is left out from the coarse mesh: at rest, or with any one expression."""
TOLERANCE_UV = 0.002
"""The same on the texture: half a millimetre of skin."""


@dataclass(frozen=True, slots=True, eq=False)
class _Quads:
    """The quads of the base mesh that lie wholly within the mesh, by the vertices of the mesh.

    Attributes:
        corners: corners of each quad, in order.
        edges: the vertex in the middle of the edge after each corner.
        centers: the vertex in the middle of each quad.
        triangles: the eight triangles of each quad, as indices of triangles.
    """

    corners: Int[np.ndarray, "n 4"]
    edges: Int[np.ndarray, "n 4"]
    centers: Int[np.ndarray, " n"]
    triangles: Int[np.ndarray, "n 8"]


def coarsened(
    surface: Surface,
    shapes: Float32[np.ndarray, "n_shapes n_vertices 3"],
    unseen: Bool[np.ndarray, " n_vertices"],
) -> MeshPart:
    """Return a mesh without the vertices of the last refinement that it can do without.

    Every base quad is four refined ones. It is made one again where no edge's middle and not its own lies
    farther than the tolerance from where a straight edge and a diagonal put it. Beside quads that stay
    refined, the middle of the common edge is kept, so the surface has no cracks.

    Args:
        surface: a surface that is refined at least once.
        shapes: the neutral mesh, and the displacements of its expressions, mm.
        unseen: vertices whose quads are all made one: the inside of the mouth.
    """
    refined = np.concatenate([surface.vertices, np.full(len(surface.cut_ends), -1)])
    quads = _whole_quads(surface, refined)
    edge_error, center_errors = _errors(shapes, quads)
    uv_edge_error, uv_center_errors = _errors(surface.uv[None], quads)
    flat = np.maximum(edge_error, center_errors.min(axis=1)) <= TOLERANCE_MM
    flat &= np.maximum(uv_edge_error, uv_center_errors.min(axis=1)) <= TOLERANCE_UV
    joined = flat | unseen[quads.centers]

    kept_triangles = np.ones(len(surface.triangles), bool)
    kept_triangles[quads.triangles[joined]] = False
    fine = surface.triangles[kept_triangles]
    in_fine = np.zeros(refined.max() + 2, bool)  # the last one is for vertices on the cut, number -1
    in_fine[refined[fine]] = True
    corners, edges, centers = quads.corners[joined], quads.edges[joined], quads.centers[joined]
    kept_edges = in_fine[refined[edges]]
    second_diagonal = center_errors[joined].argmin(axis=1) == 1
    triangles = np.concatenate([fine, _joined(corners, edges, centers, kept_edges, second_diagonal)])
    vertices, numbers = np.unique(triangles, return_inverse=True)
    return MeshPart(vertices.astype(np.int32), numbers.reshape(-1, 3).astype(np.int32))


def _whole_quads(surface: Surface, refined: Int[np.ndarray, " n_vertices"]) -> _Quads:
    """Find the base quads all of whose triangles are in the mesh."""
    level = surface.levels[-1]
    first_center = level.n_fine - len(level.coarse_quads)
    of_triangles = refined[surface.triangles]
    # A refined quad is two triangles: corner, edge, centre, and corner, centre, edge.
    center_first, center_second = ((of_triangles[:, k] >= first_center) for k in (2, 1))
    whole = (of_triangles >= 0).all(axis=1) & (center_first | center_second)
    index = np.where(whole, np.where(center_first, of_triangles[:, 2], of_triangles[:, 1]) - first_center, -1)
    complete = np.bincount(index[whole], minlength=len(level.coarse_quads)) == 8
    order = np.argsort(index, kind="stable")
    order = order[(index[order] >= 0) & complete[index[order]]]
    triangles = order.reshape(-1, 8)

    rows = order[center_first[order]].reshape(-1, 4)
    corner, edge, center = np.moveaxis(surface.triangles[rows], 2, 0)
    base = level.coarse_quads[index[rows[:, 0]]]
    place = np.argmax(refined[corner][:, None, :] == base[:, :, None], axis=2)
    return _Quads(
        np.take_along_axis(corner, place, axis=1),
        np.take_along_axis(edge, place, axis=1),
        center[:, 0],
        triangles,
    )


def _errors(
    shapes: Float32[np.ndarray, "n_shapes n_vertices d"], quads: _Quads
) -> tuple[Float32[np.ndarray, " n"], Float32[np.ndarray, "n 2"]]:
    """Return how far edges of a joined quad, and its two diagonals, miss what they replace, at most."""
    # Rows of all shapes: each vertex is gathered once.
    rows = np.moveaxis(shapes, 0, 1).reshape(shapes.shape[1], -1)
    corners, middle = (
        [rows.take(quads.corners[:, k], axis=0) for k in range(4)],
        rows.take(quads.centers, axis=0),
    )

    def largest(first: np.ndarray, second: np.ndarray, between: np.ndarray) -> Float32[np.ndarray, " n"]:
        miss = first + second
        miss *= 0.5
        miss -= between
        miss *= miss
        return np.sqrt(miss.reshape(len(miss), len(shapes), -1).sum(axis=2).max(axis=1))

    edges = [largest(corners[k], corners[k - 3], rows.take(quads.edges[:, k], axis=0)) for k in range(4)]
    diagonals = [largest(corners[k], corners[k + 2], middle) for k in range(2)]
    return np.max(edges, axis=0), np.stack(diagonals, axis=1)


def _joined(
    corners: Int[np.ndarray, "n 4"],
    edges: Int[np.ndarray, "n 4"],
    centers: Int[np.ndarray, " n"],
    kept_edges: Bool[np.ndarray, "n 4"],
    second_diagonal: Bool[np.ndarray, " n"],
) -> Int[np.ndarray, "m 3"]:
    """Return the triangles of joined quads: two, or a fan around the middle where some edge keeps its own."""
    alone = ~kept_edges.any(axis=1)
    turned = np.where(second_diagonal[:, None], np.roll(corners, -1, axis=1), corners)[alone]
    parts = [turned[:, [0, 1, 2]], turned[:, [0, 2, 3]]]
    following = np.roll(corners, -1, axis=1)
    for k in range(4):
        halved, straight = ~alone & kept_edges[:, k], ~alone & ~kept_edges[:, k]
        for chosen, first, second in (
            (halved, corners, edges),
            (halved, edges, following),
            (straight, corners, following),
        ):
            parts.append(np.stack([first[chosen, k], second[chosen, k], centers[chosen]], axis=1))
    return np.concatenate(parts)
