"""The recipe of 3DDFA_V2 on fitted labels of the open face model."""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from tddfa.morphable import open_face_model
from tddfa_train.data.batches import LandmarkDataConfig
from tddfa_train.experiment import EvaluationConfig, Experiment, aflw2000_evaluation, make_trunk
from tddfa_train.loop.schedule import LoopConfig
from tddfa_train.parameters.batches import ParameterBatches
from tddfa_train.parameters.losses import FaceBasis
from tddfa_train.parameters.task import ParameterLossConfig, ParameterNetwork, ParameterTask, crop_points
from tddfa_train.point_model import PointModel
from tddfa_train.weights import load_weights


@dataclass(frozen=True, slots=True)
class ParameterRecipe:
    """The recipe of 3DDFA_V2 on fitted labels of the open face model."""

    trunk: str
    data: LandmarkDataConfig
    loop: LoopConfig
    loss: ParameterLossConfig = field(default_factory=ParameterLossConfig)
    evaluation: EvaluationConfig | None = None
    start: str | None = None
    seed: int = 0


def parameter_experiment(recipe: ParameterRecipe) -> Experiment:
    """Network, task and data of the recipe of 3DDFA_V2."""
    torch.manual_seed(recipe.seed)
    model = open_face_model(level=0, crop="face", mouth=False)
    data = ParameterBatches(recipe.data, recipe.loop.n_steps, model)
    mean, std = data.statistics()
    trunk = make_trunk(recipe.trunk)
    network = ParameterNetwork(trunk, int(trunk.feature_size), mean, std)  # pyright: ignore[reportArgumentType]
    if recipe.start:
        load_weights(network, recipe.start)
    # Costs are means over the vertices; the base vertices of the face stand for all.
    used = model.mesh_vertices
    basis = np.concatenate([model.identity_basis, model.expression_basis], axis=2)
    face = FaceBasis(model.mean[used], basis[used])
    landmarks = PointModel(model, model.landmark_sets["ibug68"])

    def predict(net: nn.Module, crops: Tensor) -> np.ndarray:
        return crop_points(net, landmarks.to(crops.device), crops)[..., :2].cpu().numpy()

    evaluate = None if recipe.evaluation is None else aflw2000_evaluation(recipe.evaluation, predict)
    look_ahead = recipe.loss.look_ahead if recipe.loss.cost == "meta-joint" else 0
    loop = replace(recipe.loop, look_ahead=look_ahead)
    return Experiment(network, ParameterTask(recipe.loss, face), data, loop, evaluate)
