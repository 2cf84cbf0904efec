"""Lids that meet: the correction that a linear blink needs on faces and expressions it was not made for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tddfa.morphable.landmarks import LandmarkSet
from tddfa.shapes import Float32, Int, Int32


@dataclass(frozen=True, slots=True, eq=False)
class Eyelids:
    """How far the upper lids are from the lower ones, and which vertices close the gap.

    A linear blink moves every upper lid by the same millimetres, whatever the eye's height. Here the rest of
    the way is measured on the face itself, and the upper lid is moved by it as far as the blink says.

    Attributes:
        gap_vertices: vertices of each gap; a gap is a point of the lower lid minus one of the upper lid.
        gap_weights: their weights, which add up to 0.
        gap_eye: 0 for the left eye, 1 for the right.
        spread_vertices: vertices that move, at most once each.
        spread_gap: the gap that moves each of them.
        spread_weights: how much of the gap each one moves by.
        blink: number of the expressions eyeBlinkLeft and eyeBlinkRight.
    """

    gap_vertices: Int32[np.ndarray, "n_gaps k"]
    gap_weights: Float32[np.ndarray, "n_gaps k"]
    gap_eye: Int32[np.ndarray, " n_gaps"]
    spread_vertices: Int32[np.ndarray, " n_spread"]
    spread_gap: Int32[np.ndarray, " n_spread"]
    spread_weights: Float32[np.ndarray, " n_spread"]
    blink: tuple[int, int]

    def gaps(self, vertices: Float32[np.ndarray, "n_vertices d"]) -> Float32[np.ndarray, "n_gaps d"]:
        """From the upper to the lower lid, at each gap, mm; the same of anything linear in the vertices."""
        return np.einsum("gkc,gk->gc", vertices[self.gap_vertices], self.gap_weights)

    def shares(self, points: LandmarkSet, n_vertices: int) -> Float32[np.ndarray, "n_points n_gaps"]:
        """How much of each gap each point moves by, as its vertices do.

        Args:
            points: on the mesh of the lids.
            n_vertices: of that mesh.
        """
        of_vertices = np.zeros((n_vertices, len(self.gap_eye)), np.float32)
        of_vertices[self.spread_vertices, self.spread_gap] = self.spread_weights
        return points.positions(of_vertices)

    def within(self, used: Int[np.ndarray, " n_used"]) -> Eyelids:
        """The same lids where only some vertices, sorted, are kept, all vertices of the gaps among them."""
        kept = np.isin(self.spread_vertices, used)
        return replace(
            self,
            gap_vertices=np.searchsorted(used, self.gap_vertices).astype(np.int32),
            spread_vertices=np.searchsorted(used, self.spread_vertices[kept]).astype(np.int32),
            spread_gap=self.spread_gap[kept],
            spread_weights=self.spread_weights[kept],
        )

    def close(
        self,
        vertices: Float32[np.ndarray, "n_vertices 3"],
        expression: Float32[np.ndarray, " n_expression"],
        blink_gaps: Float32[np.ndarray, "n_gaps 3"],
    ) -> Float32[np.ndarray, "n_vertices 3"]:
        """Vertices whose lids meet where a blink is complete.

        Args:
            vertices: the linear model's vertices, model frame, mm.
            expression: expression coefficients; only the blinks are used.
            blink_gaps: what a complete blink adds to each gap in the linear model.
        """
        left, right = (min(max(float(expression[k]), 0.0), 1.0) for k in self.blink)
        if left == right == 0:
            return vertices
        closed = np.array([[left], [right]], np.float32).take(self.gap_eye, axis=0)
        # What would be left of the gap if the blink were complete, taken as far as the blink has come.
        rest = closed * (self.gaps(vertices) + (1 - closed) * blink_gaps)
        moves = rest.take(self.spread_gap, axis=0)
        moves *= self.spread_weights[:, None]
        moves += vertices.take(self.spread_vertices, axis=0)
        corrected = vertices.copy()
        corrected[self.spread_vertices] = moves
        return corrected
