"""Named points of a face model: vertices, or places on the surface between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tddfa.shapes import Float, Float32, Int, Int32


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LandmarkSet:
    """Points that move with the surface, each a weighted mean of base vertices.

    Attributes:
        vertices: the base vertices of each point.
        weights: their weights, which add up to 1.
        numbers: number of each point in a larger scheme that the set is part of (MediaPipe's 478), in order.
    """

    vertices: Int32[np.ndarray, "n_points k"]
    weights: Float32[np.ndarray, "n_points k"]
    numbers: Int32[np.ndarray, " n_points"] | None = None

    def __repr__(self) -> str:
        return f"<LandmarkSet: {len(self)} points>"

    def __len__(self) -> int:
        return len(self.vertices)

    @classmethod
    def at_vertices(cls, vertices: Int[np.ndarray, " n_points"]) -> LandmarkSet:
        """Points that are vertices."""
        return cls(vertices[:, None].astype(np.int32), np.ones((len(vertices), 1), np.float32))

    def positions(self, values: Float[np.ndarray, "n_base ..."]) -> Float[np.ndarray, "n_points ..."]:
        """The points' share of anything that is known at the base vertices: positions, basis vectors."""
        if self.vertices.shape[1] == 1:
            return values[self.vertices[:, 0]]
        return np.einsum("pk...,pk->p...", values[self.vertices], self.weights)
