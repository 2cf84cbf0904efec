"""How well a number separates two classes."""

from __future__ import annotations

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.shapes import Bool, Float64


def area_under_curve(values: Float64[np.ndarray, " n"], positive: Bool[np.ndarray, " n"]) -> float:
    """Return the area under the ROC curve: the probability that a positive has the smaller value.

    Ties count half.

    Source: Mann and Whitney, "On a test of whether one of two random variables is stochastically larger than
        the other", 1947.
    """
    negatives = np.sort(values[~positive])
    below = np.searchsorted(negatives, values[positive], side="left")
    up_to = np.searchsorted(negatives, values[positive], side="right")
    return float((len(negatives) - (below + up_to) / 2).mean() / len(negatives))


@dataclass(frozen=True, slots=True)
class Threshold:
    """Precision and recall when every value below a threshold counts as positive.

    Attributes:
        value: the threshold.
        precision: part of those found that are positive; 0 when none is found.
        recall: part of the positives that are found.
    """

    value: float
    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def at_threshold(
    values: Float64[np.ndarray, " n"], positive: Bool[np.ndarray, " n"], threshold: float
) -> Threshold:
    """Return precision and recall of one threshold."""
    found = values < threshold
    right = int((found & positive).sum())
    return Threshold(threshold, right / max(int(found.sum()), 1), right / max(int(positive.sum()), 1))


def best_threshold(values: Float64[np.ndarray, " n"], positive: Bool[np.ndarray, " n"]) -> Threshold:
    """Return the threshold with the largest F1 among 200 quantiles of the values."""
    candidates = np.unique(np.quantile(values, np.linspace(0, 1, 201)))
    return max(
        (at_threshold(values, positive, float(t)) for t in candidates), key=lambda t: (t.f1, t.precision)
    )
