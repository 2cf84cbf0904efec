"""From the base vertices of a model to the mesh it shows: levels of detail, crops, texture coordinates."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.morphable.subdivision import Refinement, Subdivision, catmull_clark
from tddfa.shapes import Bool, Float, Float32, Int, Int32, Int64

SNAP_MM = 0.1
"""Distance to a border below which a vertex counts as on it. Slivers of triangles are avoided so."""
_UV_STEPS = np.float32(65535)


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """How base vertices become mesh vertices: some are used, refined level by level, and the crop is cut out.

    Attributes:
        base: the base vertices that the crop depends on.
        levels: refinements, in order.
        vertices: the refined vertices that are in the mesh; one on a seam of the texture is there twice.
        cut_ends: the refined vertices on both sides of the border that each border vertex lies between;
            border vertices are the last ones of the mesh.
        cut_shares: how far each of them lies on the way from the first to the second.
        triangles: triangles of the mesh.
        uv: texture coordinates of the mesh, multiples of 1 / 65535.
        mirror: for each vertex of the mesh its partner on the other side.
    """

    base: Int[np.ndarray, " n_used"]
    levels: tuple[Subdivision, ...]
    vertices: Int32[np.ndarray, " n_whole"]
    cut_ends: Int32[np.ndarray, "n_cut 2"]
    cut_shares: Float32[np.ndarray, " n_cut"]
    triangles: Int32[np.ndarray, "n_triangles 3"]
    uv: Float32[np.ndarray, "n_vertices 2"]
    mirror: Int32[np.ndarray, " n_vertices"]

    def __call__(self, values: Float[np.ndarray, "n_used ..."]) -> Float[np.ndarray, "n_vertices ..."]:
        """Return the values of the mesh vertices, from those of the base vertices it uses."""
        for refine in self.levels:
            values = refine(values)
        return _taken(values, self.vertices, self.cut_ends, self.cut_shares)


@dataclass(frozen=True, slots=True, eq=False)
class QuadMesh:
    """A base mesh that can be refined: quads, their texture coordinates, and the mirror partners.

    Attributes:
        quads: counter-clockwise seen from outside.
        uv: texture coordinates in [0, 1], v up.
        uv_quads: the quads again, by texture coordinate.
        mirror: for each vertex its partner on the other side.
        creases: edges that stay sharp.
    """

    quads: Int32[np.ndarray, "n_quads 4"]
    uv: Float32[np.ndarray, "n_uv 2"]
    uv_quads: Int32[np.ndarray, "n_quads 4"]
    mirror: Int32[np.ndarray, " n_vertices"]
    creases: Int32[np.ndarray, "n_creases 2"]

    def refined(self, level: int) -> tuple[QuadMesh, tuple[Refinement, ...]]:
        """Return the mesh after `level` refinements, and the operators that refine its vertices."""
        mesh, operators = self, ()
        for _ in range(level):
            refine = catmull_clark(mesh.quads, len(mesh.mirror), mesh.creases)
            refine_uv = catmull_clark(mesh.uv_quads, len(mesh.uv))
            mirror = _refined_mirror(refine, mesh.mirror)
            mesh = QuadMesh(refine.quads, refine_uv(mesh.uv), refine_uv.quads, mirror, refine.creases)
            operators = (*operators, refine)
        return mesh, operators

    def surface(
        self,
        level: int,
        depth: Float[np.ndarray, " n_fine"],
    ) -> Surface:
        """Return the surface inside a border.

        Args:
            level: how often the mesh is refined.
            depth: how far inside the border each vertex of the refined mesh lies, mm; negative outside.
        """
        fine, _ = self.refined(level)
        clipped = _clip(fine, np.where(np.abs(depth) < SNAP_MM, 0, depth))
        # A refined quad depends on the vertices of its base quad and of the quads around that one.
        near = np.zeros(len(self.mirror), bool)
        near[self.quads[np.unique(clipped.quads % len(self.quads))]] = True
        used = np.flatnonzero(near[self.quads].any(axis=1))
        base, local_quads = np.unique(self.quads[used], return_inverse=True)
        local_quads = local_quads.reshape(-1, 4).astype(np.int32)
        inside_base = np.zeros(len(self.mirror), bool)
        inside_base[base] = True
        local_creases = np.searchsorted(base, self.creases[inside_base[self.creases].all(axis=1)])
        local_creases = local_creases.astype(np.int32)
        operators: list[Refinement] = []
        origin, n_all, n_local = used, len(self.quads), len(base)
        for _ in range(level):
            operators.append(catmull_clark(local_quads, n_local, local_creases))
            local_quads, n_local = operators[-1].quads, operators[-1].n_fine
            local_creases = operators[-1].creases
            origin = (np.arange(4)[:, None] * n_all + origin).ravel()
            n_all *= 4
        local_of = np.zeros(len(fine.mirror), np.int32)
        local_of[fine.quads[origin]] = local_quads
        here, ends = local_of[clipped.vertices], local_of[clipped.cut_ends]
        uv = _taken(fine.uv, clipped.uv_vertices, clipped.uv_cut_ends, clipped.cut_shares)
        return Surface(
            base=base,
            levels=tuple(operators),
            vertices=here,
            cut_ends=ends,
            cut_shares=clipped.cut_shares,
            triangles=clipped.triangles,
            uv=np.rint(uv * _UV_STEPS).astype(np.float32) / _UV_STEPS,
            mirror=clipped.mirror(fine),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Clipped:
    """The part of a refined mesh inside a border, in numbers of the refined mesh."""

    quads: Int64[np.ndarray, " n_quads"]
    """Quads that are inside, whole or in part."""
    triangles: Int32[np.ndarray, "n_triangles 3"]
    uv_vertices: Int32[np.ndarray, " n_whole"]
    vertices: Int32[np.ndarray, " n_whole"]
    uv_cut_ends: Int32[np.ndarray, "n_cut 2"]
    cut_ends: Int32[np.ndarray, "n_cut 2"]
    cut_shares: Float32[np.ndarray, " n_cut"]

    def mirror(self, fine: QuadMesh) -> Int32[np.ndarray, " n_vertices"]:
        """Return for each vertex its partner on the other side."""
        partner = _mirror_within(self.vertices, fine.uv[self.uv_vertices], fine.mirror)
        number = {edge: i for i, edge in enumerate(map(tuple, np.sort(self.cut_ends, axis=1).tolist()))}
        there = np.sort(fine.mirror[self.cut_ends], axis=1).tolist()
        cut = [len(partner) + number[a, b] for a, b in there]
        return np.concatenate([partner, np.array(cut, np.int32)]).astype(np.int32)


def _clip(fine: QuadMesh, depth: Float[np.ndarray, " n_fine"]) -> _Clipped:
    """Cut the quads of a mesh along the line where `depth` is zero.

    Source: Sutherland and Hodgman, "Reentrant polygon clipping", 1974.
    """
    at_corners = depth[fine.quads]
    whole = np.flatnonzero((at_corners >= 0).all(axis=1))
    crossed = np.flatnonzero((at_corners > 0).any(axis=1) & (at_corners < 0).any(axis=1))
    uv_vertices = np.unique(
        np.concatenate([fine.uv_quads[whole].ravel(), fine.uv_quads[crossed][at_corners[crossed] >= 0]])
    )
    number = np.full(len(fine.uv), -1)
    number[uv_vertices] = np.arange(len(uv_vertices))
    vertices = np.empty(len(uv_vertices), np.int32)
    corners, uv_corners = fine.quads[[*whole, *crossed]].ravel(), fine.uv_quads[[*whole, *crossed]].ravel()
    kept = number[uv_corners] >= 0
    vertices[number[uv_corners[kept]]] = corners[kept]

    cuts: dict[tuple[int, int], int] = {}
    ends: list[tuple[int, int]] = []
    triangles: list[tuple[int, int, int]] = []
    for quad in crossed:
        polygon: list[int] = []
        for i in range(4):
            a, b = int(fine.quads[quad, i]), int(fine.quads[quad, i - 3])
            uv_a, uv_b = int(fine.uv_quads[quad, i]), int(fine.uv_quads[quad, i - 3])
            if depth[a] >= 0:
                polygon.append(int(number[uv_a]))
            if depth[a] * depth[b] < 0:
                edge = (uv_a, uv_b) if a < b else (uv_b, uv_a)
                if edge not in cuts:
                    cuts[edge] = len(uv_vertices) + len(cuts)
                    ends.append((min(a, b), max(a, b)))
                polygon.append(cuts[edge])
        triangles += [(polygon[0], *pair) for pair in pairwise(polygon[1:])]
    cut_ends = np.array(ends, np.int32).reshape(-1, 2)
    from_first, to_second = depth[cut_ends[:, 0]], depth[cut_ends[:, 1]]
    halves = [number[fine.uv_quads[whole]][:, half] for half in ([0, 1, 2], [0, 2, 3])]
    return _Clipped(
        quads=np.concatenate([whole, crossed]),
        triangles=np.concatenate([*halves, np.array(triangles, np.int64).reshape(-1, 3)]).astype(np.int32),
        uv_vertices=uv_vertices.astype(np.int32),
        vertices=vertices,
        uv_cut_ends=np.array(list(cuts), np.int32).reshape(-1, 2),
        cut_ends=cut_ends,
        cut_shares=(from_first / (from_first - to_second)).astype(np.float32),
    )


def _taken(
    values: Float[np.ndarray, "n ..."],
    whole: Int32[np.ndarray, " n_whole"],
    ends: Int32[np.ndarray, "n_cut 2"],
    shares: Float32[np.ndarray, " n_cut"],
) -> Float[np.ndarray, "n_taken ..."]:
    """Return the values of some vertices, and after them those of places on edges."""
    taken = np.empty((len(whole) + len(ends), *values.shape[1:]), values.dtype)
    np.take(values, whole, axis=0, out=taken[: len(whole)])
    if len(ends):
        first, second = values.take(ends[:, 0], axis=0), values.take(ends[:, 1], axis=0)
        second -= first
        second *= shares.astype(values.dtype).reshape(-1, *[1] * (values.ndim - 1))
        np.add(first, second, out=taken[len(whole) :])
    return taken


def pncc_colors(
    mean: Float32[np.ndarray, "n_vertices 3"], outside: Bool[np.ndarray, " n_vertices"] | None = None
) -> Float32[np.ndarray, "n_vertices 3"]:
    """Return the projected normalised coordinate code of each vertex, RGB in [0, 1].

    Args:
        mean: the mean face.
        outside: vertices whose extent is scaled to [0, 1]; None for all. Others are clipped to it.

    Source: Zhu et al., "Face alignment across large poses", 2016, eq. 5: the mean face's coordinates, each
        scaled to [0, 1]. z makes red, y green and x blue, as in 3DDFA_V2's images.
    """
    extent = mean if outside is None else mean[outside]
    lowest, highest = extent.min(axis=0), extent.max(axis=0)
    return np.ascontiguousarray(np.clip((mean - lowest) / (highest - lowest), 0, 1)[:, ::-1])


def _refined_mirror(refine: Subdivision, mirror: Int32[np.ndarray, " n"]) -> Int32[np.ndarray, " n_fine"]:
    """Return the partners of the refined vertices, from those of the coarse ones."""
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
    """Return partners within a crop, whose layout is symmetric in u; seam vertices pair copy by copy."""
    here = np.lexsort([uv[:, 0], vertices])
    there = np.lexsort([1 - uv[:, 0], mirror[vertices]])
    if not np.array_equal(vertices[here], mirror[vertices][there]):
        raise ValueError("the crop is not symmetric")
    partner = np.empty(len(vertices), np.int32)
    partner[there] = here
    return partner
