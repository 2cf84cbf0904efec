"""Fit the linear layer that reads the identity of a person from the features of the views."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from torch import nn

from tddfa.errors import InputError
from tddfa_train.expressions.person_map import covariances, symmetric, wiener_map, within_people
from tddfa_train.expressions.person_samples import PersonSamples

_KINDS: tuple[str, ...] = ("renders", "photos")


@dataclass(frozen=True, slots=True)
class PersonConfig:
    """Numbers of the fit.

    Attributes:
        crops: augmented views of each face.
        largest_yaw_deg: faces that are turned further are left out, degrees.
        embedding_ridge: of the regression of identities on embeddings, see `identity_by_embedding`.
        photo_share: how much photos count, beside renders, whose labels are exact.
        consistency: weight of the variance of a person's answers, beside the squared error.
        ridge: added to the variances of the features, which are 1.
        several_images: images that a person needs to count for the covariances of the map.
        photo_covariance: share of photos in these covariances.
        noise: how much the covariance within people counts in the map, see `wiener_map`.
        spread: factor of the distance from the mean person, beside that of the least error: who resembles
            the mean looks like anybody, and labels that embeddings tell are near it themselves.
    """

    crops: int = 2
    largest_yaw_deg: float = 50.0
    embedding_ridge: float = 1.0
    photo_share: float = 0.3
    consistency: float = 10.0
    ridge: float = 0.05
    several_images: int = 3
    photo_covariance: float = 0.12
    noise: float = 100.0
    spread: float = 1.7

    RANGES: ClassVar[Mapping[str, tuple[float, float]]] = {
        "crops": (1, math.inf),
        "several_images": (2, math.inf),
        **dict.fromkeys(("photo_share", "photo_covariance"), (0, 1)),
        **dict.fromkeys(
            ("largest_yaw_deg", "embedding_ridge", "consistency", "ridge", "noise"), (0, math.inf)
        ),
    }


def fit_person_head(
    samples: PersonSamples, sign: Float32[np.ndarray, " i"], config: PersonConfig
) -> nn.Linear:
    """Fit the layer, map its answers to what tells people apart, and put all of it into one layer.

    Args:
        samples: of many people, some of them with several images.
        sign: factor of each coefficient when the face is mirrored.
        config: numbers of the fit.

    Raises:
        InputError: nobody has several images.
    """
    mean = samples.feature.mean(0)
    deviation = samples.feature.std(0) + 1e-2  # features that are nearly always 0 stay small
    layer = _solved((samples.feature - mean) / deviation, samples, sign, config)
    none = np.zeros(len(sign))
    answers = person_answers(folded(layer, mean, deviation, np.eye(len(sign)), none, none), samples, sign)
    within, between = (
        symmetric(covariance, sign) for covariance in _mixed_covariances(answers, samples, config)
    )
    matrix = wiener_map(within, between, config.noise)
    # The mean person of renders is the model's, and that of photos, for which the network is, another one.
    usual = ~samples.rendered if not samples.rendered.all() else samples.rendered
    middle, label = (
        values[usual].mean(0) * (1 + sign) / 2  # symmetric
        for values in (answers, samples.identity)
    )
    away = (answers[usual] - middle) @ matrix.T
    least_error = (away * (samples.identity[usual] - label)).sum() / max(np.square(away).sum(), 1e-9)
    return folded(layer, mean, deviation, config.spread * least_error * matrix, middle, label)


def _solved(
    feature: Float[np.ndarray, "n f"],
    samples: PersonSamples,
    sign: Float32[np.ndarray, " i"],
    config: PersonConfig,
) -> nn.Linear:
    """Return the layer with the least loss, on standardised features.

    The loss is quadratic: the squared error of labels, and the variance of the answers for a person, of
    renders and of photos by their shares. A mirrored face has the label of its mirror image: coefficients
    that change their sign are solved for features that do so as well.
    """
    x = np.concatenate([feature, np.ones((len(feature), 1))], 1).astype(np.float64)
    layer = nn.Linear(feature.shape[1], len(sign))
    weights = np.zeros((x.shape[1], len(sign)))
    ridge = config.ridge * np.eye(x.shape[1])
    ridge[-1, -1] = 1e-9  # the bias may be anything
    for side in (1.0, -1.0):
        own = np.flatnonzero(sign == side)
        turned = x * np.where(samples.mirrored, side, 1.0)[:, None]
        gram, target = ridge.copy(), np.zeros((x.shape[1], len(own)))
        for share, rows in _shares(samples, config.photo_share):
            seen = turned[rows]
            gram += share * seen.T @ seen / len(seen)
            gram += share * config.consistency * within_people(seen, samples.person[rows])
            target += share * seen.T @ samples.identity[np.ix_(rows, own)] / len(seen)
        weights[:, own] = np.linalg.solve(gram, target)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weights[:-1].T))
        layer.bias.copy_(torch.from_numpy(weights[-1]))
    return layer


def _shares(samples: PersonSamples, photo_share: float) -> Iterator[tuple[float, Float64[np.ndarray, " k"]]]:
    """Yield the share and the rows of renders and of photos; where there is one kind, it has all."""
    kinds = [(1 - photo_share, samples.rendered), (photo_share, ~samples.rendered)]
    present = [(share, np.flatnonzero(kind)) for share, kind in kinds if kind.any()]
    total = sum(share for share, _ in present)
    for share, rows in present:
        yield share / total if total else 1.0, rows


@torch.no_grad()
def person_answers(
    head: nn.Linear, samples: PersonSamples, sign: Float32[np.ndarray, " i"]
) -> Float[np.ndarray, "n i"]:
    """Return the answers of a layer for the people that are not mirrored."""
    answers = head(torch.from_numpy(samples.feature)).numpy().astype(np.float64)
    return answers * np.where(samples.mirrored[:, None], sign, 1.0)


def _of_several(samples: PersonSamples, least: int) -> Mapping[str, np.ndarray]:
    """Return by kind of image the samples of people with several images; kinds without any are left out."""
    several = samples.n_images >= least
    rows = [np.flatnonzero(several & (samples.rendered == (kind == "renders"))) for kind in _KINDS]
    return {
        kind: own for kind, own in zip(_KINDS, rows, strict=True) if len(np.unique(samples.person[own])) > 1
    }


def _mixed_covariances(
    answers: Float[np.ndarray, "n i"], samples: PersonSamples, config: PersonConfig
) -> tuple[np.ndarray, np.ndarray]:
    kinds = _of_several(samples, config.several_images)
    if not kinds:
        raise InputError(
            f"no folder has people with {config.several_images} images or more; 'tddfa-train render "
            f"--images-per-person 4' makes one"
        )
    shares: Mapping[str, float] = {
        "renders": 1 - config.photo_covariance,
        "photos": config.photo_covariance,
    }
    total = sum(shares[kind] for kind in kinds)
    within = between = np.zeros((answers.shape[1], answers.shape[1]))
    for kind, rows in kinds.items():
        share = shares[kind] / total if total else 1.0
        own = covariances(answers[rows], samples.person[rows])
        within, between = within + share * own[0], between + share * own[1]
    return within, between


def folded(
    layer: nn.Linear,
    mean: Float[np.ndarray, " f"],
    deviation: Float[np.ndarray, " f"],
    matrix: Float[np.ndarray, "i i"],
    center: Float[np.ndarray, " i"],
    target: Float[np.ndarray, " i"],
) -> nn.Linear:
    """Return one layer for: standardise, the layer, a matrix about a centre, a shift.

    Args:
        layer: on standardised features.
        mean: of the features.
        deviation: by which features are divided.
        matrix: of the answers.
        center: of the answers.
        target: what the centre becomes.
    """
    weight, bias = (value.detach().double().numpy() for value in (layer.weight, layer.bias))
    scaled = weight / deviation
    head = nn.Linear(layer.in_features, layer.out_features)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(matrix @ scaled))
        head.bias.copy_(torch.from_numpy(matrix @ (bias - scaled @ mean - center) + target))
    return head


def consistency(
    head: nn.Linear, samples: PersonSamples, sign: Float32[np.ndarray, " i"], config: PersonConfig
) -> Mapping[str, tuple[int, float]]:
    """Return by kind of image how many people were compared, and standard deviation within / between them."""
    answers, found = person_answers(head, samples, sign), dict[str, tuple[int, float]]()
    for kind, rows in _of_several(samples, config.several_images).items():
        within, between = covariances(answers[rows], samples.person[rows])
        ratio = np.sqrt(np.trace(within) / max(np.trace(between), 1e-9))
        found[kind] = len(np.unique(samples.person[rows])), float(ratio)
    return found
