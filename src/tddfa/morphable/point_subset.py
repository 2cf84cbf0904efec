"""The linear model on a few points: landmarks without the cost of the vertices around them."""

from __future__ import annotations

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.morphable.eyelids import Eyelids
from tddfa.morphable.landmarks import LandmarkSet
from tddfa.shapes import Float32, Int, Shaped
from tddfa.types import FaceParams


@dataclass(frozen=True, slots=True, eq=False)
class PointSubset:
    """The linear model and its lids on the points of a landmark set.

    Points are means of vertices, so the linear model holds for them as it does for vertices; the same is true
    of the gaps of the lids, which are differences of points. See `Eyelids` for the gaps.

    Attributes:
        mean: the points, and behind them the gaps that move some of them, mm.
        basis: displacement of points and gaps per unit of each coefficient, mm.
        spread: share of each gap that each point moves by.
        blink: index of the expression that closes each gap.
        blink_gaps: change of each gap by both blinks in the linear model, mm.
    """

    mean: Float32[np.ndarray, " n_coordinates"]
    basis: Float32[np.ndarray, "n_coefficients n_coordinates"]
    spread: Float32[np.ndarray, "n_points n_gaps"]
    blink: Int[np.ndarray, " n_gaps"]
    blink_gaps: Float32[np.ndarray, "n_gaps 3"]

    @classmethod
    def of(
        cls,
        points: LandmarkSet,
        mean: Float32[np.ndarray, "n_base 3"],
        identity_basis: Float32[np.ndarray, "n_base 3 n_identity"],
        expression_basis: Float32[np.ndarray, "n_base 3 n_expression"],
        eyelids: Eyelids | None,
    ) -> PointSubset:
        """Return a linear model on some points.

        Args:
            points: weighted means of base vertices.
            mean: base vertices of the mean face, mm.
            identity_basis: displacement per unit of each identity coefficient, mm.
            expression_basis: displacement per unit of each expression coefficient, mm.
            eyelids: the correction of the lids.
        """
        moving = np.zeros(0, np.int64)
        spread, blink = np.zeros((len(points), 0), np.float32), np.zeros(0, np.int64)
        if eyelids is not None:
            spread = eyelids.shares(points, len(mean))
            moving = np.flatnonzero(spread.any(axis=0))
            spread, blink = spread[:, moving], np.array(eyelids.blink)[eyelids.gap_eye[moving]]

        def rows(values: Float32[np.ndarray, "n_base ..."]) -> Shaped[np.ndarray, "n_rows ..."]:
            of_points = points.positions(values)
            if eyelids is None or not len(moving):
                return of_points
            gaps = eyelids.gaps(values.reshape(len(values), -1))[moving]
            return np.concatenate([of_points, gaps.reshape(-1, *values.shape[1:])])

        basis = np.concatenate([rows(identity_basis), rows(expression_basis)], axis=2)
        both_blinks = basis[
            len(points) :, :, identity_basis.shape[2] + np.flatnonzero(np.bincount(blink))
        ].sum(axis=2)
        return cls(
            mean=rows(mean).reshape(-1),
            # Coefficient by coefficient: each row is read once, in order.
            basis=np.ascontiguousarray(basis.reshape(-1, basis.shape[2]).T),
            spread=spread,
            blink=blink,
            blink_gaps=both_blinks,
        )

    def points(self, params: FaceParams) -> Float32[np.ndarray, "n_points 3"]:
        """Return the points of `params`, model frame, mm."""
        coefficients = np.concatenate([params.shape, params.expression])
        rows = (self.mean + coefficients @ self.basis).reshape(-1, 3)
        n_points = len(self.spread)
        if n_points == len(rows):
            return rows
        closed = np.minimum(np.maximum(params.expression[self.blink], 0), 1)[:, None]
        rest = closed * (rows[n_points:] + (1 - closed) * self.blink_gaps)
        return rows[:n_points] + self.spread @ rest
