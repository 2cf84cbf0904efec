"""Fit the linear layer that reads the identity of a person from the features of the views."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from tqdm import tqdm

from tddfa.errors import InputError
from tddfa_train.expressions.person_map import covariances, symmetric, wiener_map
from tddfa_train.expressions.person_pairs import PairSampler, consistency_loss
from tddfa_train.expressions.person_samples import PersonSamples
from tddfa_train.loop.average import WeightAverage

_KINDS: tuple[str, ...] = ("renders", "photos")


@dataclass(frozen=True, slots=True)
class PersonConfig:
    """Numbers of the fit.

    Attributes:
        crops: augmented views of each face.
        largest_yaw_deg: faces that are turned further are left out, degrees.
        photo_weight: weight of the labels of photos, which are fits, beside 1 of those of renders.
        photo_share: share of photos among the pairs of the same person.
        consistency: weight of the log of the variance of a person's answers over that between people.
        n_steps: of the fit.
        n_pairs: in each step.
        learning_rate: its maximum.
        weight_decay: of AdamW.
        dropout: share of the features that are left out in each step.
        average_decay: of the averaged weights.
        several_images: images that a person needs to count for the covariances.
        photo_covariance: share of photos in the covariances within and between people.
        noise: how much the covariance within people counts in the map, see `wiener_map`.
        spread: factor of the distance from the mean person. What is learned from little is pulled towards
            the mean.
        seed: of everything random.
    """

    crops: int = 3
    largest_yaw_deg: float = 50.0
    photo_weight: float = 1.0
    photo_share: float = 0.2
    consistency: float = 0.15
    n_steps: int = 7000
    n_pairs: int = 240
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    dropout: float = 0.2
    average_decay: float = 0.995
    several_images: int = 3
    photo_covariance: float = 0.05
    noise: float = 1.0
    spread: float = 1.2
    seed: int = 0


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
    layer = _descend((samples.feature - mean) / deviation, samples, sign, config)
    none = np.zeros(len(sign))
    head = folded(layer, mean, deviation, np.eye(len(sign)), none, none)
    answers = person_answers(head, samples, sign)
    within, between = (
        symmetric(covariance, sign) for covariance in _mixed_covariances(answers, samples, config)
    )
    matrix = config.spread * wiener_map(within, between, config.noise)
    # The mean person of renders is the model's, and that of photos, for which the network is, another one.
    usual = ~samples.rendered if not samples.rendered.all() else samples.rendered
    middle, label = (
        values[usual].mean(0) * (1 + sign) / 2  # symmetric
        for values in (answers, samples.identity)
    )
    return folded(layer, mean, deviation, matrix, middle, label)


def _descend(
    feature: Float32[np.ndarray, "n f"],
    samples: PersonSamples,
    sign: Float32[np.ndarray, " i"],
    config: PersonConfig,
) -> nn.Linear:
    """Fit a layer on standardised features; its averaged weights."""
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    x, target = torch.from_numpy(feature), torch.from_numpy(samples.identity)
    weight = torch.from_numpy(np.where(samples.rendered, 1.0, config.photo_weight).astype(np.float32))
    factor = torch.from_numpy(sign), torch.ones(len(sign))
    layer = nn.Linear(x.shape[1], target.shape[1])
    nn.init.normal_(layer.weight, std=0.003)
    nn.init.zeros_(layer.bias)
    optimizer = torch.optim.AdamW(layer.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=config.n_steps
    )
    average = WeightAverage(layer, config.average_decay)
    pairs = PairSampler(samples, config.photo_share)
    for step in tqdm(range(config.n_steps), desc="fit", unit="step", disable=None):
        first, second = pairs.draw(config.n_pairs, rng)
        both = np.concatenate([first, second])
        answer = layer(nn.functional.dropout(x[both], config.dropout))
        answer = answer * torch.where(torch.from_numpy(samples.mirrored[both])[:, None], *factor)
        loss = _label_loss(answer, target[both], weight[both]) + config.consistency * consistency_loss(
            answer[: len(first)],
            answer[len(first) :],
            torch.from_numpy(samples.rendered[first]),
            torch.from_numpy(first != second),
            config.photo_share,
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        average.update(layer, step)
    layer.load_state_dict(average.state)
    return layer


def _label_loss(
    answer: Float[Tensor, "b i"], target: Float[Tensor, "b i"], weight: Float[Tensor, " b"]
) -> Float[Tensor, ""]:
    return ((answer - target).square().mean(1) * weight).sum() / weight.sum()


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
