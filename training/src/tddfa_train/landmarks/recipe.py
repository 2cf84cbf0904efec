"""A trunk learns landmarks directly, before there are labels of a morphable model."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from tddfa_train.data.batches import LandmarkBatches, LandmarkDataConfig
from tddfa_train.data.mediapipe_points import mediapipe_labels, mediapipe_weights
from tddfa_train.experiment import EvaluationConfig, Experiment, aflw2000_evaluation, make_trunk
from tddfa_train.landmarks.task import LandmarkLossConfig, LandmarkNetwork, LandmarkTask, network_input
from tddfa_train.loop.schedule import LoopConfig
from tddfa_train.weights import load_weights


@dataclass(frozen=True, slots=True)
class LandmarkRecipe:
    """A trunk learns landmarks directly, before there are labels of a morphable model."""

    trunk: str
    data: LandmarkDataConfig
    loop: LoopConfig
    loss: LandmarkLossConfig = field(default_factory=LandmarkLossConfig)
    evaluation: EvaluationConfig | None = None
    start: str | None = None
    seed: int = 0


def landmark_experiment(recipe: LandmarkRecipe) -> Experiment:
    """Network, task and data of a landmark recipe."""
    torch.manual_seed(recipe.seed)
    trunk = make_trunk(recipe.trunk)
    network = LandmarkNetwork(trunk, int(trunk.feature_size))  # pyright: ignore[reportArgumentType]
    data = LandmarkBatches(recipe.data, recipe.loop.n_steps)
    labels = mediapipe_labels(data)
    weight = torch.zeros(162) if labels is None else mediapipe_weights(labels)
    if recipe.start:
        load_weights(network, recipe.start)

    def predict(net: nn.Module, crops: Tensor) -> np.ndarray:
        half, middle = crops.shape[1] / 2, (crops.shape[1] - 1) / 2
        return net(network_input(crops))["landmarks68"][..., :2].float().cpu().numpy() * half + middle

    evaluate = None if recipe.evaluation is None else aflw2000_evaluation(recipe.evaluation, predict)
    return Experiment(network, LandmarkTask(recipe.loss, weight), data, recipe.loop, evaluate)
