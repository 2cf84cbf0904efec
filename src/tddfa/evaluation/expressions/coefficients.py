"""How well coefficients follow the truth: correlation, slope, rest, cross-talk."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.shapes import Float, Float64

_FEWEST_ACTIVE = 5
_ACTIVE = 0.1


@dataclass(frozen=True, slots=True)
class Line:
    """How predicted coefficients depend on true ones.

    Attributes:
        correlation: Pearson's; None where one of them does not vary.
        slope: of the least-squares line, predicted by true.
        active: faces on which the true coefficient is above 0.1.
    """

    correlation: float | None
    slope: float | None
    active: int


def line(predicted: Float[np.ndarray, " n"], truth: Float[np.ndarray, " n"]) -> Line:
    """Return the dependence of predicted coefficients on true ones."""
    p, q = predicted.astype(np.float64), truth.astype(np.float64)
    known = np.isfinite(p) & np.isfinite(q)
    p, q = p[known], q[known]
    active = int((q > _ACTIVE).sum())
    if active < _FEWEST_ACTIVE or q.std() == 0:
        return Line(None, None, active)
    # A coefficient that never moves follows nothing.
    return Line(correlation(p, q) or 0.0, slope(p, q), active)


def slope(predicted: Float[np.ndarray, " n"], truth: Float[np.ndarray, " n"]) -> float:
    """Return the slope of the least-squares line of predicted numbers by true ones that vary."""
    p, q = predicted.astype(np.float64), truth.astype(np.float64)
    return float(((p - p.mean()) * (q - q.mean())).sum() / np.square(q - q.mean()).sum())


def correlation(a: Float[np.ndarray, " n"], b: Float[np.ndarray, " n"]) -> float | None:
    """Return Pearson's correlation; None where one of the two does not vary."""
    if len(a) < 2 or a.std() < 1e-9 or b.std() < 1e-9:
        return None
    return float(np.corrcoef(a, b)[0, 1])


def responses(
    moved: Float[np.ndarray, "n e"], base: Float[np.ndarray, "n e"], units: Sequence[str], unit: Sequence[str]
) -> Float64[np.ndarray, "u e"]:
    """Return by how much each coefficient changes when an expression is shown alone, mean over the faces.

    Args:
        moved: coefficients of faces that show one expression.
        base: of the same faces without it.
        units: the expressions, one row each.
        unit: which of them each face shows.
    """
    change = moved.astype(np.float64) - base
    shown = np.array(unit)
    rows = [
        np.nanmean(change[shown == name], axis=0) if (shown == name).any() else change[:0].sum(0)
        for name in units
    ]
    return np.stack(rows)
