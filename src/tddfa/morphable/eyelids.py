"""Eyelids that meet: the correction that a linear blink needs on most faces and expressions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.morphable.landmarks import LandmarkSet
from tddfa.shapes import Float32, Int, Int32


@dataclass(frozen=True, slots=True, eq=False)
class Eyelids:
    """Gaps between the upper and the lower lids, and the vertices that close them.

    A linear blink moves every upper lid by the same distance, whatever the height of the eye. Here the
    remaining gap is measured on the face itself, and the upper lid is moved by it in proportion to the blink.

    Attributes:
        gap_vertices: vertices of each gap; a gap is a point of the lower lid minus one of the upper lid.
        gap_weights: weights of the vertices, which add up to 0.
        gap_eye: eye of each gap: 0 for the left, 1 for the right.
        spread_vertices: vertices that move, at most once each.
        spread_gap: index of the gap that moves each of them.
        spread_weights: share of the gap that each of them moves by.
        blink: indices of the expressions eyeBlinkLeft and eyeBlinkRight.
    """

    gap_vertices: Int32[np.ndarray, "n_gaps k"]
    gap_weights: Float32[np.ndarray, "n_gaps k"]
    gap_eye: Int32[np.ndarray, " n_gaps"]
    spread_vertices: Int32[np.ndarray, " n_spread"]
    spread_gap: Int32[np.ndarray, " n_spread"]
    spread_weights: Float32[np.ndarray, " n_spread"]
    blink: tuple[int, int]

    def gaps(self, vertices: Float32[np.ndarray, "n_vertices d"]) -> Float32[np.ndarray, "n_gaps d"]:
        """Return the vectors from the upper to the lower lid at each gap, mm.

        Args:
            vertices: base vertices, mm, or anything that is linear in them.
        """
        return np.einsum("gkc,gk->gc", vertices[self.gap_vertices], self.gap_weights)

    def shares(self, points: LandmarkSet, n_vertices: int) -> Float32[np.ndarray, "n_points n_gaps"]:
        """Return the share of each gap that each point moves by.

        Args:
            points: points on the mesh of the lids.
            n_vertices: number of base vertices of that mesh.
        """
        of_vertices = np.zeros((n_vertices, len(self.gap_eye)), np.float32)
        of_vertices[self.spread_vertices, self.spread_gap] = self.spread_weights
        return points.positions(of_vertices)

    def within(self, used: Int[np.ndarray, " n_used"]) -> Eyelids:
        """Return the same lids on some of the base vertices.

        Args:
            used: sorted indices of the vertices that are kept, all vertices of the gaps among them.
        """
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
        """Return vertices whose lids meet where a blink is complete.

        Args:
            vertices: vertices of the linear model, model frame, mm.
            expression: expression coefficients; only the blinks are used.
            blink_gaps: change of each gap by a complete blink in the linear model, mm.
        """
        left, right = (min(max(float(expression[k]), 0.0), 1.0) for k in self.blink)
        if left == right == 0:
            return vertices
        closed = np.array([[left], [right]], np.float32).take(self.gap_eye, axis=0)
        # The gap that would remain after a complete blink, times the weight of the blink.
        rest = closed * (self.gaps(vertices) + (1 - closed) * blink_gaps)
        moves = rest.take(self.spread_gap, axis=0)
        moves *= self.spread_weights[:, None]
        moves += vertices.take(self.spread_vertices, axis=0)
        corrected = vertices.copy()
        corrected[self.spread_vertices] = moves
        return corrected
