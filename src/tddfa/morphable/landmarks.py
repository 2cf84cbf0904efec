"""Named points of a face model: vertices, or points on the surface between them."""

from __future__ import annotations

import warnings

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.shapes import Float, Float32, Int, Int32


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LandmarkSet:
    """Points that move with the surface, each a weighted mean of base vertices.

    Attributes:
        vertices: base vertices of each point.
        weights: weights of the vertices, which add up to 1.
        indices: index of each point in a larger scheme that the set is part of (MediaPipe's 478), in order.
    """

    vertices: Int32[np.ndarray, "n_points k"]
    weights: Float32[np.ndarray, "n_points k"]
    indices: Int32[np.ndarray, " n_points"] | None = None

    def __repr__(self) -> str:
        return f"<LandmarkSet: {len(self)} points>"

    def __len__(self) -> int:
        return len(self.vertices)

    @property
    def numbers(self) -> Int32[np.ndarray, " n_points"] | None:
        """Return `indices`, under its former name."""
        warnings.warn("LandmarkSet.numbers is now LandmarkSet.indices", DeprecationWarning, stacklevel=2)
        return self.indices

    @classmethod
    def at_vertices(cls, vertices: Int[np.ndarray, " n_points"]) -> LandmarkSet:
        """Return points that are vertices.

        Args:
            vertices: the base vertex of each point.
        """
        return cls(vertices[:, None].astype(np.int32), np.ones((len(vertices), 1), np.float32))

    def positions(self, values: Float[np.ndarray, "n_base ..."]) -> Float[np.ndarray, "n_points ..."]:
        """Return the points' share of anything that is known at the base vertices.

        Args:
            values: positions, basis vectors or anything else that is linear in the vertices.
        """
        if self.vertices.shape[1] == 1:
            return values[self.vertices[:, 0]]
        return np.einsum("pk...,pk->p...", values[self.vertices], self.weights)
