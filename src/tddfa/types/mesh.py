"""Surfaces."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.shapes import Float32, Int32


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Topology:
    """What all meshes of one model share: its arrays are read-only, copy one to change it.

    Attributes:
        triangles: vertex indices, counter-clockwise seen from outside.
        uv: texture coordinate of each vertex in [0, 1], v up; None without a UV layout.
        colors: the projected normalised coordinate code (PNCC) of each vertex, RGB in [0, 1].
        materials: how far each vertex is scalp, hairline, inside of the mouth, teeth and tongue, in [0, 1]:
            what photos hide has the colour of these; None where nothing is known. Scalp, which stands for
            ears and neck too, has the colour of the skin whatever the photo shows there, and hairline where
            the photo shows hair.
        pupil_offsets: offset of each vertex of an eyeball from the middle of its pupil, across the gaze, mm;
            `tddfa.types.eye_colors.ELSEWHERE` on all other vertices. None for a mesh without eyeballs.
        lit_as: for each vertex the one whose light it has: itself, but on the rims of eyelids, which are
            thinner than a pixel; None for all themselves.
    """

    triangles: Int32[np.ndarray, "n_triangles 3"]
    uv: Float32[np.ndarray, "n_vertices 2"] | None
    colors: Float32[np.ndarray, "n_vertices 3"]
    materials: Float32[np.ndarray, "n_vertices 5"] | None = None
    pupil_offsets: Float32[np.ndarray, "n_vertices 2"] | None = None
    lit_as: Int32[np.ndarray, " n_vertices"] | None = None

    def __post_init__(self) -> None:
        # `triangles += 1`, as OBJ counts, would change every mesh of the model, also those that come later.
        for each in fields(self):
            array = getattr(self, each.name)
            if isinstance(array, np.ndarray):
                object.__setattr__(self, each.name, _read_only(array))

    @property
    def inside(self) -> Float32[np.ndarray, " n_vertices"] | None:
        """How far each vertex is inside of the mouth, teeth or tongue; None for a mesh without."""
        return None if self.materials is None else self.materials[:, 2:].max(axis=1)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Topology):
            return NotImplemented
        if self is other:
            return True
        same_uv = self.uv is other.uv or (
            self.uv is not None and other.uv is not None and np.array_equal(self.uv, other.uv)
        )
        return (
            same_uv
            and np.array_equal(self.triangles, other.triangles)
            and np.array_equal(self.colors, other.colors)
        )

    def __hash__(self) -> int:
        return hash((len(self.colors), len(self.triangles), self.uv is None))

    def __repr__(self) -> str:
        uv = "no UV layout" if self.uv is None else "a UV layout"
        return f"Topology({len(self.colors)} vertices, {len(self.triangles)} triangles, {uv})"


def _read_only(array: np.ndarray) -> np.ndarray:
    """Return the array itself if nothing can be written to it, else a view that cannot."""
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array


@dataclass(frozen=True, slots=True, eq=False)
class MeshPart:
    """Some vertices of a mesh, and triangles between them.

    Attributes:
        vertices: ascending indices of the vertices that are kept.
        triangles: vertex indices, in numbers of the kept vertices.
    """

    vertices: Int32[np.ndarray, " n_kept"]
    triangles: Int32[np.ndarray, "n_triangles 3"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Mesh:
    """A surface: vertices in some frame (the image frame for `Face.mesh`) and their topology."""

    vertices: Float32[np.ndarray, "n_vertices 3"]
    topology: Topology

    @property
    def triangles(self) -> Int32[np.ndarray, "n_triangles 3"]:
        """Vertex indices, counter-clockwise seen from outside."""
        return self.topology.triangles

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mesh):
            return NotImplemented
        return self.topology == other.topology and np.array_equal(self.vertices, other.vertices)

    def __hash__(self) -> int:
        return hash((self.topology, *self.vertices[:4].ravel().tolist()))

    def __repr__(self) -> str:
        return f"Mesh({len(self.vertices)} vertices, {len(self.triangles)} triangles)"
