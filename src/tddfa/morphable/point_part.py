"""The linear model on a few points: what landmarks cost, without the cost of the vertices around them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tddfa.morphable.landmarks import LandmarkSet
from tddfa.shapes import Float32, Int, Shaped
from tddfa.types import FaceParams

if TYPE_CHECKING:
    from tddfa.morphable.model import MorphableModel


@dataclass(frozen=True, slots=True, eq=False)
class PointPart:
    """The linear model and its lids on the points of a landmark set.

    Points are means of vertices, so the linear model holds for them as it does for vertices; and so do the
    gaps of the lids, which are differences of points. See `Eyelids` for what a gap does.

    Attributes:
        mean: the points, and behind them the gaps that move some of them, mm.
        basis: displacement of all those per unit of each coefficient, mm.
        spread: how much of each gap each point moves by.
        blink: number of the expression that closes each gap.
        blink_gaps: what both blinks together add to each gap in the linear model, mm.
    """

    mean: Float32[np.ndarray, " n_coordinates"]
    basis: Float32[np.ndarray, "n_coefficients n_coordinates"]
    spread: Float32[np.ndarray, "n_points n_gaps"]
    blink: Int[np.ndarray, " n_gaps"]
    blink_gaps: Float32[np.ndarray, "n_gaps 3"]

    @classmethod
    def of(cls, model: MorphableModel, points: LandmarkSet) -> PointPart:
        """The part of `model` that its `points` need."""
        lids, moving = model.eyelids, np.zeros(0, np.int64)
        spread, blink = np.zeros((len(points), 0), np.float32), np.zeros(0, np.int64)
        if lids is not None:
            spread = lids.shares(points, len(model.mean))
            moving = np.flatnonzero(spread.any(axis=0))
            spread, blink = spread[:, moving], np.array(lids.blink)[lids.gap_eye[moving]]

        def rows(values: Float32[np.ndarray, "n_base ..."]) -> Shaped[np.ndarray, "n_rows ..."]:
            there = points.positions(values)
            if lids is None or not len(moving):
                return there
            gaps = lids.gaps(values.reshape(len(values), -1))[moving]
            return np.concatenate([there, gaps.reshape(-1, *values.shape[1:])])

        basis = np.concatenate([rows(model.identity_basis), rows(model.expression_basis)], axis=2)
        both_blinks = basis[len(points) :, :, model.n_identity + np.unique(blink)].sum(axis=2)
        return cls(
            mean=rows(model.mean).reshape(-1),
            # Coefficient by coefficient: each row is read once, in order.
            basis=np.ascontiguousarray(basis.reshape(-1, basis.shape[2]).T),
            spread=spread,
            blink=blink,
            blink_gaps=both_blinks,
        )

    def points(self, params: FaceParams) -> Float32[np.ndarray, "n_points 3"]:
        """The points of `params`, model frame, mm."""
        coefficients = np.concatenate([params.identity, params.expression])
        rows = (self.mean + coefficients @ self.basis).reshape(-1, 3)
        n_points = len(self.spread)
        if n_points == len(rows):
            return rows
        closed = np.minimum(np.maximum(params.expression[self.blink], 0), 1)[:, None]
        rest = closed * (rows[n_points:] + (1 - closed) * self.blink_gaps)
        return rows[:n_points] + self.spread @ rest
