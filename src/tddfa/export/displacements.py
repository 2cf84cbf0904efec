"""Displacements of the vertices of a mesh, in the form in which a glTF file stores a morph target."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, runtime_checkable

import numpy as np

from tddfa.shapes import Float32, UInt16, UInt32
from tddfa.types import FaceModel

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
    def of(cls, shape: Float32[np.ndarray, "n_vertices 3"]) -> Displacements:
        """Store the displacement of every vertex, mm in the model frame."""
        x, y, z = np.ascontiguousarray(shape.T)  # reductions along rows of three are slow
        moving = np.flatnonzero((x != 0) | (y != 0) | (z != 0))
        # A target without motion stores one vertex: many readers refuse an accessor without data.
        moving = moving if len(moving) else np.zeros(1, np.intp)
        index = np.dtype("<u2" if len(shape) < 0xFFFF else "<u4")
        values = shape.astype(np.float32, copy=False) * MM
        lowest = tuple(float(axis.min() * MM) for axis in (x, y, z))
        highest = tuple(float(axis.max() * MM) for axis in (x, y, z))
        if len(moving) * (index.itemsize + 12) >= len(shape) * 12:
            return cls(len(shape), None, values, lowest, highest)
        return cls(len(shape), moving.astype(index), values[moving], lowest, highest)


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
        self, identity: Float32[np.ndarray, " n_identity"] | None, names: Iterable[str]
    ) -> Mapping[str, Float32[np.ndarray, "n_vertices 3"]]:
        """Displacement of every vertex at weight 1 of each of these expressions: model frame, mm."""
        ...


def displacements(model: FaceModel, identity: Float32[np.ndarray, " n_identity"]) -> list[Displacements]:
    """Return the morph target of each expression of a face, in the order of `model.expression_names`.

    Targets that do not depend on the identity are computed once per model.
    """
    if isinstance(model, LinearExpressions):
        own = _own(model, identity)
        shapes = _shared(model) | {name: Displacements.of(shape) for name, shape in own.items()}
    else:
        shapes = {name: Displacements.of(shape) for name, shape in model.blendshapes(identity).items()}
    return [shapes[name] for name in model.expression_names]


def _own(
    model: LinearExpressions, identity: Float32[np.ndarray, " n_identity"]
) -> Mapping[str, Float32[np.ndarray, "n_vertices 3"]]:
    corrected = model.corrected_expressions
    return model.blendshapes(identity, corrected) if corrected else {}


@lru_cache(maxsize=4)
def _shared(model: LinearExpressions) -> dict[str, Displacements]:
    corrected = model.corrected_expressions
    names = [name for name in model.expression_names if name not in corrected]
    return {name: Displacements.of(shape) for name, shape in model.blendshapes(None, names).items()}
