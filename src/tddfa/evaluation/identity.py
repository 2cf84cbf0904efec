"""Is one person one shape? How much identity coefficients vary within a person and between people."""

from __future__ import annotations

from typing import Any

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.evaluation.bootstrap import rounded
from tddfa.shapes import Float, Shaped


@dataclass(frozen=True, slots=True)
class IdentitySpread:
    """Standard deviations of identity coefficients.

    Attributes:
        within: over the images of one person, root mean square over people and coefficients.
        between: over the means of the people, root mean square over the coefficients.
        people: how many.
        images: how many.
    """

    within: float
    between: float
    people: int
    images: int

    @property
    def ratio(self) -> float:
        """Within over between: 0 when every image of a person gives one shape; below 0.5 people differ."""
        return self.within / self.between if self.between > 0 else float("inf")

    def record(self) -> dict[str, Any]:
        """Return the numbers as JSON has them."""
        return {
            "within": rounded(self.within),
            "between": rounded(self.between),
            "ratio": rounded(self.ratio),
            "people": self.people,
            "images": self.images,
        }


def identity_spread(
    identity: Float[np.ndarray, "n i"], person: Shaped[np.ndarray, " n"]
) -> IdentitySpread | None:
    """Return how identity coefficients vary; None with fewer than two people with two images each.

    Args:
        identity: of each image; NaN where no face was found.
        person: who it shows.
    """
    known = np.isfinite(identity).all(axis=1)
    identity, person = identity[known].astype(np.float64), person[known]
    groups = [identity[person == who] for who in np.unique(person)]
    groups = [group for group in groups if len(group) > 1]
    if len(groups) < 2:
        return None
    within = np.sqrt(np.mean([group.var(axis=0, ddof=1).mean() for group in groups]))
    means = np.stack([group.mean(axis=0) for group in groups])
    between = np.sqrt(means.var(axis=0, ddof=1).mean())
    return IdentitySpread(float(within), float(between), len(groups), sum(map(len, groups)))
