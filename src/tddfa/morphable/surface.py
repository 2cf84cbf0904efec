"""From the base vertices of a model to the mesh it shows: levels of detail, crops, texture coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tddfa.morphable.subdivision import Subdivision, catmull_clark
from tddfa.shapes import Bool, Float, Float32, Int, Int32, Int64
from tddfa.types import Topology


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """How base vertices become mesh vertices: some are used, refined level by level, and the crop is taken.

    Attributes:
        base: the base vertices that the crop depends on.
        levels: refinements, in order.
        vertices: the refined vertices that are in the mesh; one on a seam of the texture is there twice.
        topology: triangles, texture coordinates and PNCC colours of the mesh.
        mirror: for each vertex of the mesh its partner on the other side.
    """

    base: Int[np.ndarray, " n_used"]
    levels: tuple[Subdivision, ...]
    vertices: Int32[np.ndarray, " n_vertices"]
    topology: Topology
    mirror: Int32[np.ndarray, " n_vertices"]

    def __call__(self, values: Float[np.ndarray, "n_used ..."]) -> Float[np.ndarray, "n_vertices ..."]:
        """Values of the mesh vertices from those of the base vertices it uses."""
        for refine in self.levels:
            values = refine(values)
        return values.take(self.vertices, axis=0)


@dataclass(frozen=True, slots=True, eq=False)
class QuadMesh:
    """A base mesh that can be refined: quads, their texture coordinates, and who mirrors whom.

    Attributes:
        quads: counter-clockwise seen from outside.
        uv: texture coordinates in [0, 1], v up.
        uv_quads: the quads again, by texture coordinate.
        mirror: for each vertex its partner on the other side.
    """

    quads: Int32[np.ndarray, "n_quads 4"]
    uv: Float32[np.ndarray, "n_uv 2"]
    uv_quads: Int32[np.ndarray, "n_quads 4"]
    mirror: Int32[np.ndarray, " n_vertices"]

    def refined(self, level: int) -> tuple[QuadMesh, tuple[Subdivision, ...]]:
        """The mesh after `level` refinements, and the operators that refine its vertices."""
        mesh, operators = self, ()
        for _ in range(level):
            refine = catmull_clark(mesh.quads, len(mesh.mirror))
            refine_uv = catmull_clark(mesh.uv_quads, len(mesh.uv))
            mirror = _refined_mirror(refine, mesh.mirror)
            mesh = QuadMesh(refine.quads, refine_uv(mesh.uv), refine_uv.quads, mirror)
            operators = (*operators, refine)
        return mesh, operators

    def surface(
        self, level: int, mean: Float32[np.ndarray, "n_base 3"], inside: Bool[np.ndarray, " n_fine"]
    ) -> Surface:
        """The surface between some vertices of a refined mesh.

        Args:
            level: how often the mesh is refined.
            mean: the base vertices of the mean face, which the PNCC colours are made of.
            inside: which vertices of the refined mesh are in the crop.
        """
        fine, _ = self.refined(level)
        quad, corners = _triangles_between(fine.quads, inside)
        # A refined quad depends on the vertices of its base quad and of the quads around that one.
        near = np.zeros(len(self.mirror), bool)
        near[self.quads[np.unique(quad % len(self.quads))]] = True
        used = np.flatnonzero(near[self.quads].any(axis=1))
        base, local_quads = np.unique(self.quads[used], return_inverse=True)
        local_quads = local_quads.reshape(-1, 4).astype(np.int32)
        operators: list[Subdivision] = []
        origin, n_all, n_local = used, len(self.quads), len(base)
        for _ in range(level):
            operators.append(catmull_clark(local_quads, n_local))
            local_quads, n_local = operators[-1].quads, operators[-1].n_fine
            origin = (np.arange(4)[:, None] * n_all + origin).ravel()
            n_all *= 4
        local_of = np.empty(n_all, np.int64)
        local_of[origin] = np.arange(len(origin))
        # The mesh has one vertex per texture coordinate; `here` and `everywhere` say which refined one it is.
        uv_index, triangles = np.unique(fine.uv_quads[quad[:, None], corners], return_inverse=True)
        triangles = triangles.reshape(-1, 3).astype(np.int32)
        here, everywhere = np.empty((2, len(uv_index)), np.int32)
        here[triangles] = local_quads[local_of[quad][:, None], corners]
        everywhere[triangles] = fine.quads[quad[:, None], corners]
        uv = fine.uv[uv_index]
        refined_mean = mean[base]
        for refine in operators:
            refined_mean = refine(refined_mean)
        return Surface(
            base=base,
            levels=tuple(operators),
            vertices=here,
            topology=Topology(triangles, uv, pncc_colors(refined_mean[here])),
            mirror=_mirror_within(everywhere, uv, fine.mirror),
        )


def _triangles_between(
    quads: Int32[np.ndarray, "n_quads 4"], inside: Bool[np.ndarray, " n_vertices"]
) -> tuple[Int64[np.ndarray, " n_triangles"], Int64[np.ndarray, "n_triangles 3"]]:
    """The quad of each triangle whose vertices are all inside, and the three corners of it."""
    within = inside[quads]
    whole = np.flatnonzero(within.all(axis=1))
    # Where one corner is outside the other half stays, which makes an outline of diagonals, not of teeth.
    cut = np.flatnonzero(within.sum(axis=1) == 3)
    outside = within[cut].argmin(axis=1)
    corners = [
        np.broadcast_to([0, 1, 2], (len(whole), 3)),
        np.broadcast_to([0, 2, 3], (len(whole), 3)),
        (outside[:, None] + [1, 2, 3]) % 4,
    ]
    return np.concatenate([whole, whole, cut]), np.concatenate(corners)


def pncc_colors(mean: Float32[np.ndarray, "n_vertices 3"]) -> Float32[np.ndarray, "n_vertices 3"]:
    """The projected normalised coordinate code of each vertex, RGB in [0, 1].

    Source: Zhu et al., "Face alignment across large poses", 2016, eq. 5: the mean face's coordinates, each
        scaled to [0, 1]. z makes red, y green and x blue, as in the published program's pictures.
    """
    lowest, highest = mean.min(axis=0), mean.max(axis=0)
    return np.ascontiguousarray(((mean - lowest) / (highest - lowest))[:, ::-1])


def _refined_mirror(refine: Subdivision, mirror: Int32[np.ndarray, " n"]) -> Int32[np.ndarray, " n_fine"]:
    """Partners of the refined vertices, from those of the coarse ones."""
    n = refine.n_coarse
    edges = np.concatenate([refine.inner_edges[:, :2], refine.boundary_edges])
    partners = [mirror]
    for first, cells in ((n, edges), (refine.n_fine - len(refine.coarse_quads), refine.coarse_quads)):
        # A cell is told by its vertices, whatever their order.
        here = np.sort(cells.astype(np.int64), axis=1)
        there = np.sort(mirror[cells].astype(np.int64), axis=1)
        order_here, order_there = np.lexsort(here.T), np.lexsort(there.T)
        partner = np.empty(len(cells), np.int32)
        partner[order_there] = first + order_here
        partners.append(partner)
    return np.concatenate(partners).astype(np.int32)


def _mirror_within(
    vertices: Int32[np.ndarray, " n"], uv: Float32[np.ndarray, "n 2"], mirror: Int32[np.ndarray, " n_fine"]
) -> Int32[np.ndarray, " n"]:
    """Partners within a crop, whose texture layout is symmetric in u; both copies of a seam vertex pair."""
    here = np.lexsort([uv[:, 0], vertices])
    there = np.lexsort([1 - uv[:, 0], mirror[vertices]])
    if not np.array_equal(vertices[here], mirror[vertices][there]):
        raise ValueError("the crop is not symmetric")
    partner = np.empty(len(vertices), np.int32)
    partner[there] = here
    return partner
