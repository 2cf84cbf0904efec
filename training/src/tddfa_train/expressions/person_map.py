"""Covariance of answers within and between people, and the linear map that follows from them."""

import numpy as np
from jaxtyping import Float, Int

from tddfa.errors import InputError

_EPSILON = 1e-5
"""Added to variances, so that coefficients that never vary can be divided by them."""

Covariances = tuple[Float[np.ndarray, "i i"], Float[np.ndarray, "i i"]]
"""Within people, and between them."""


def covariances(answers: Float[np.ndarray, "n i"], person: Int[np.ndarray, " n"]) -> Covariances:
    """Return the covariance of answers within people, and that of people.

    Args:
        answers: several of each person.
        person: number of the person of each answer.

    Raises:
        InputError: there are fewer than two people, or one answer of each.
    """
    _, group, count = np.unique(person, return_inverse=True, return_counts=True)
    if len(count) < 2 or len(answers) == len(count):
        raise InputError(f"{len(count)} people with {len(answers)} answers: too few to compare people")
    means, within = _means(answers, group, count), within_people(answers, person)
    # The mean of a person's few answers has a share of the variance within people.
    return within, np.cov(means.T) - within * np.mean(1 / count)


def within_people(
    answers: Float[np.ndarray, "n i"], person: Int[np.ndarray, " n"]
) -> Float[np.ndarray, "i i"]:
    """Return the covariance of answers within people; 0 where everybody has one.

    Args:
        answers: some of them of the same person.
        person: number of the person of each answer.
    """
    _, group, count = np.unique(person, return_inverse=True, return_counts=True)
    several = count[group] > 1
    if not several.any():
        return np.zeros((answers.shape[1], answers.shape[1]))
    away = answers[several] - _means(answers, group, count)[group[several]]
    return away.T @ away / (several.sum() - (count > 1).sum())


def _means(
    answers: Float[np.ndarray, "n i"], group: Int[np.ndarray, " n"], count: Int[np.ndarray, " p"]
) -> Float[np.ndarray, "p i"]:
    totals = np.zeros((len(count), answers.shape[1]))
    np.add.at(totals, group, answers)
    return totals / count[:, None]


def symmetric(covariance: Float[np.ndarray, "i i"], sign: Float[np.ndarray, " i"]) -> np.ndarray:
    """Return the covariance where every face is as likely as its mirror image.

    Args:
        covariance: of identities.
        sign: factor of each coefficient when the face is mirrored.
    """
    return (covariance + np.outer(sign, sign) * covariance) / 2


def wiener_map(
    within: Float[np.ndarray, "i i"], between: Float[np.ndarray, "i i"], noise: float
) -> Float[np.ndarray, "i i"]:
    """Return the matrix that keeps of an answer what tells people apart: B (B + noise · W)^-1.

    With `noise` 1 it is the Wiener filter, the best linear estimate of a person's mean from one answer.

    Args:
        within: W, covariance within people.
        between: B, covariance between people; an estimate may have negative variances, which count as 0.
        noise: how much the variance within people counts.
    """
    values, vectors = np.linalg.eigh((between + between.T) / 2)
    between = (vectors * np.maximum(values, 0)) @ vectors.T
    both = between + noise * within + _EPSILON * np.eye(len(between))
    return np.linalg.solve(both, between).T
