"""Displacements of the vertices of a mesh, in the form in which a glTF file stores a morph target."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Protocol, runtime_checkable

import numpy as np

from tddfa.concurrency import one_at_a_time
from tddfa.dataclass import dataclass
from tddfa.shapes import Float32, UInt16, UInt32
from tddfa.types import FaceModel, MeshPart

_LEAST_MM = 0.1
"""Vertices of a mesh without all its vertices stay where they are if they move less."""
MM = np.float32(1e-3)
"""Metres per millimetre."""


@dataclass(frozen=True, slots=True, eq=False)
class Displacements:
    """A morph target: dense, or sparse where that takes fewer bytes.

    Attributes:
        n_vertices: number of vertices of the mesh.
        indices: vertices that move, ascending, at least one; None when all are stored.
        values: displacement of each of these vertices, m.
        lowest: least displacement along x, y and z over the whole mesh, m.
        highest: greatest displacement along x, y and z, m.
    """

    n_vertices: int
    indices: UInt16[np.ndarray, " n"] | UInt32[np.ndarray, " n"] | None
    values: Float32[np.ndarray, "n 3"]
    lowest: tuple[float, ...]
    highest: tuple[float, ...]

    @classmethod
    def of(cls, shape: Float32[np.ndarray, "n_vertices 3"], least_mm: float = 0.0) -> Displacements:
        """Store the displacement of every vertex.

        Args:
            shape: displacements, mm in the model frame.
            least_mm: vertices that move less along each axis stay where they are.
        """
        x, y, z = np.ascontiguousarray(shape.T)  # reductions along rows of three are slow
        moving = np.flatnonzero(np.maximum(np.maximum(abs(x), abs(y)), abs(z)) > least_mm)
        # A target without motion stores one vertex: many readers refuse an accessor without data.
        moving = moving if len(moving) else np.zeros(1, np.intp)
        index = np.dtype("<u2" if len(shape) < 0xFFFF else "<u4")
        values = shape.astype(np.float32, copy=False) * MM
        if len(moving) * (index.itemsize + 12) >= len(shape) * 12:
            lowest, highest = (tuple(float(f(axis) * MM) for axis in (x, y, z)) for f in (np.min, np.max))
            return cls(len(shape), None, values, lowest, highest)
        moved = values[moving]
        # The others stay where they are, at zero.
        low, high = (np.zeros(3, np.float32),) * 2 if len(moving) < len(shape) else (moved[0], moved[0])
        lowest = tuple(np.minimum(moved.min(axis=0), low).tolist())
        highest = tuple(np.maximum(moved.max(axis=0), high).tolist())
        return cls(len(shape), moving.astype(index), moved, lowest, highest)


@runtime_checkable
class LinearExpressions(Protocol):
    """A model most of whose expressions move the vertices of every face alike."""

    @property
    def expression_names(self) -> tuple[str, ...]:
        """One name per expression coefficient."""
        ...

    @property
    def corrected_expressions(self) -> tuple[str, ...]:
        """Names of the expressions whose displacement depends on the identity."""
        ...

    def blendshapes(
        self,
        identity: Float32[np.ndarray, " n_identity"] | None,
        names: Iterable[str] | None = None,
        *,
        neutral: Float32[np.ndarray, "n_vertices 3"] | None = None,
    ) -> Mapping[str, Float32[np.ndarray, "n_vertices 3"]]:
        """Displacement of every vertex at weight 1 of each of these expressions: model frame, mm."""
        ...

    def coarse_mesh(self, shapes: Iterable[Float32[np.ndarray, "n_vertices 3"]]) -> MeshPart | None:
        """The mesh without vertices that these displacements can do without; None where it needs all."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class StoredMesh:
    """What a file holds of the meshes of a model.

    Attributes:
        part: vertices and triangles that are stored; None for all.
        targets: morph targets that all faces share, by name of the expression.
    """

    part: MeshPart | None
    targets: Mapping[str, Displacements]

    def values(self, values: np.ndarray) -> np.ndarray:
        """Return the values of the stored vertices, of those of all vertices."""
        return values if self.part is None else values[self.part.vertices]

    def target(self, shape: Float32[np.ndarray, "n_vertices 3"]) -> Displacements:
        """Return the morph target of the displacement of every vertex, mm in the model frame."""
        return Displacements.of(self.values(shape), 0.0 if self.part is None else _LEAST_MM)


def stored_mesh(model: FaceModel, *, full: bool) -> StoredMesh:
    """Return what a file holds of the meshes of a model.

    Args:
        model: model of the faces.
        full: all vertices, and every displacement; otherwise without what a viewer cannot tell.
    """
    if isinstance(model, LinearExpressions):
        return _shared(model, full)
    return StoredMesh(None, {})


def displacements(
    model: FaceModel,
    identity: Float32[np.ndarray, " n_identity"],
    mesh: StoredMesh,
    neutral: Float32[np.ndarray, "n_vertices 3"],
) -> list[Displacements]:
    """Return the morph target of each expression of a face, in the order of `model.expression_names`.

    Args:
        model: model of the face.
        identity: identity coefficients of the face.
        mesh: what is stored of the mesh; its targets are those that do not depend on the identity.
        neutral: shape of the face without an expression, mm.
    """
    linear = isinstance(model, LinearExpressions)
    own = _own(model, identity, mesh, neutral) if linear else model.blendshapes(identity)
    targets = dict(mesh.targets) | {name: mesh.target(shape) for name, shape in own.items()}
    return [targets[name] for name in model.expression_names]


def _own(
    model: LinearExpressions,
    identity: Float32[np.ndarray, " n_identity"],
    mesh: StoredMesh,
    neutral: Float32[np.ndarray, "n_vertices 3"],
) -> Mapping[str, Float32[np.ndarray, "n_vertices 3"]]:
    missing = [name for name in model.expression_names if name not in mesh.targets]
    return model.blendshapes(identity, missing, neutral=neutral) if missing else {}


@one_at_a_time
@lru_cache(maxsize=4)
def _shared(model: LinearExpressions, full: bool) -> StoredMesh:
    shapes = model.blendshapes(None)
    part = None if full else model.coarse_mesh(shapes.values())
    mesh = StoredMesh(part, {})
    common = [name for name in model.expression_names if name not in model.corrected_expressions]
    return StoredMesh(part, {name: mesh.target(shapes[name]) for name in common})
