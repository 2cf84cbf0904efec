"""Pairs of samples of the same person, and how far the answers for a pair are apart."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tddfa_train.expressions.person_samples import PersonSamples

_OF_SEVERAL = 0.6
"""Share of the photos that are drawn from people with several images; most photos are the only one."""
_FEWEST_PAIRS = 10
"""Number of pairs below which their variance is too uncertain to be compared."""


class PairSampler:
    """Draws pairs: samples of renders and of photos, and for each of them another one of the same person.

    Args:
        samples: to draw from.
        photo_share: share of the photos; the other kind has all of it where there are none of one kind.
    """

    def __init__(self, samples: PersonSamples, photo_share: float):
        photos = np.flatnonzero(~samples.rendered)
        several = photos[samples.n_images[photos] > 1]
        of_several = _OF_SEVERAL if len(several) else 0.0
        groups = [
            (np.flatnonzero(samples.rendered), 1 - photo_share),
            (several, photo_share * of_several),
            (photos, photo_share * (1 - of_several)),
        ]
        groups = [(rows, share) for rows, share in groups if len(rows) and share > 0]
        total = sum(share for _, share in groups)
        self._groups = [(rows, share / total) for rows, share in groups]
        # The samples of a person lie side by side in this order, from `_start` on.
        self._order = np.argsort(samples.person, kind="stable")
        ordered = samples.person[self._order]
        self._start = np.searchsorted(ordered, samples.person)
        self._count = np.searchsorted(ordered, samples.person, side="right") - self._start

    def draw(
        self, count: int, rng: np.random.Generator
    ) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]]:
        """Draw the first and the second samples of pairs; a few of them are the same sample twice."""
        counts = [round(share * count) for _, share in self._groups]
        drawn = [rng.choice(rows, n) for (rows, _), n in zip(self._groups, counts, strict=True)]
        first = np.concatenate(drawn)
        other = (rng.random(len(first)) * self._count[first]).astype(int)
        return first, self._order[self._start[first] + other]


def log_ratio(first: Float[Tensor, "p i"], second: Float[Tensor, "p i"]) -> Float[Tensor, ""]:
    """Return the log of the variance of a person's answers over the variance of all.

    Args:
        first: answers for the first samples of pairs.
        second: answers for the second ones.
    """
    within = (first - second).square().sum(1).mean() / 2
    overall = torch.cat([first, second]).var(0).sum()
    return torch.log(within.clamp(min=1e-9) / overall.clamp(min=1e-9))


def consistency_loss(
    first: Float[Tensor, "p i"],
    second: Float[Tensor, "p i"],
    rendered: Bool[Tensor, " p"],
    differ: Bool[Tensor, " p"],
    photo_share: float,
) -> Float[Tensor, ""]:
    """Return the mean of `log_ratio` of renders and of photos.

    Photos are compared with photos only: a network that tells photos from renders, and neither people, would
    have a small ratio in both together.

    Args:
        first: answers for the first samples of pairs.
        second: answers for the second ones.
        rendered: pairs that are renders.
        differ: pairs of two samples, not twice the same.
        photo_share: weight of the photos.
    """
    loss = first.new_zeros(())
    for group, share in ((rendered & differ, 1 - photo_share), (~rendered & differ, photo_share)):
        if group.sum() > _FEWEST_PAIRS:
            loss = loss + share * log_ratio(first[group], second[group])
    return loss
