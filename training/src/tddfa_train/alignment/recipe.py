"""A trunk learns camera, coefficients and expressions of the open face model."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tddfa.errors import InputError
from tddfa.morphable import MorphableModel, open_face_model
from tddfa_train.alignment.distillation import DistillationLossConfig, DistillationTask, as_teacher
from tddfa_train.alignment.mirror import Mirror
from tddfa_train.alignment.network import AlignmentNetwork, FaceOutput
from tddfa_train.alignment.task import (
    AlignmentLossConfig,
    AlignmentTask,
    difference_pairs,
    regressed_expressions,
)
from tddfa_train.data.batches import LandmarkBatches, LandmarkDataConfig
from tddfa_train.data.coefficients import CoefficientBatches
from tddfa_train.data.mediapipe_points import mediapipe_labels, mediapipe_weights
from tddfa_train.data.surface_points import SurfacePoints
from tddfa_train.experiment import (
    EvaluationConfig,
    Experiment,
    aflw2000_evaluation,
    dense_config,
    make_trunk,
)
from tddfa_train.landmarks.task import network_input
from tddfa_train.loop.schedule import LoopConfig
from tddfa_train.loop.task import Task
from tddfa_train.networks.pruning import pruned
from tddfa_train.point_model import PointModel
from tddfa_train.weights import load_weights, read_weights, take_weights


@dataclass(frozen=True, slots=True)
class AlignmentRecipe:
    """A trunk learns camera and coefficients of the open face model."""

    trunk: str
    data: LandmarkDataConfig
    loop: LoopConfig
    loss: AlignmentLossConfig = field(default_factory=AlignmentLossConfig)
    evaluation: EvaluationConfig | None = None
    start: str | None = None  # a checkpoint: its trunk, and its head where the shapes agree
    start_trunk: str | None = None  # the checkpoint's, where it is a larger one of plain convolutions
    hidden: int = 0  # units of the coefficients' hidden layer
    direct_points: bool = False  # a second head reads the points while training
    teacher: str | None = None  # a checkpoint of a larger network, which the labels are not alone with
    teacher_trunk: str = "dense"
    distillation: DistillationLossConfig = field(default_factory=DistillationLossConfig)
    seed: int = 0


def make_alignment_network(
    trunk: str, model: MorphableModel, *, hidden: int = 0, direct_points: bool = False
) -> AlignmentNetwork:
    """Build an untrained network for a face model."""
    n_points = 68 + len(model.landmark_sets["mediapipe478"].vertices) if direct_points else 0
    body = make_trunk(trunk)
    regressed = regressed_expressions(model.expression_names, model.expression_basis)
    feature = int(body.feature_size)  # pyright: ignore[reportArgumentType]
    return AlignmentNetwork(body, feature, model.n_identity, regressed, hidden=hidden, n_points=n_points)


def load_alignment_network(checkpoint: Path, trunk: str, model: MorphableModel) -> AlignmentNetwork:
    """The alignment network of a checkpoint.

    Raises:
        InputError: it is of another network.
    """
    hidden = len(read_weights(checkpoint).get("coefficients.0.bias", ()))
    network = make_alignment_network(trunk, model, hidden=hidden)
    missing = load_weights(network, checkpoint)
    if missing:
        raise InputError(f"{checkpoint} is not of a {trunk!r} network: it has no {missing[0]}")
    return network


def alignment_experiment(recipe: AlignmentRecipe) -> Experiment:
    """Network, task and data of an alignment recipe."""
    torch.manual_seed(recipe.seed)
    model = open_face_model(level=0, crop="head")
    landmarks = PointModel(model, model.landmark_sets["ibug68"])
    network = make_alignment_network(
        recipe.trunk, model, hidden=recipe.hidden, direct_points=recipe.direct_points
    )
    data = CoefficientBatches(recipe.data, recipe.loop.n_steps, model)
    labels = mediapipe_labels(data)
    points = model.landmark_sets["mediapipe478"]
    mediapipe = None if labels is None else PointModel(model, points)
    weight = None if labels is None else mediapipe_weights(labels)
    pairs = None if labels is None or points.indices is None else difference_pairs(points.indices)
    surface = None if data.surface_mirror is None else PointModel(model, SurfacePoints.of(model).points)
    if recipe.start:
        saved = read_weights(recipe.start)
        if recipe.start_trunk:
            saved = _pruned(saved, recipe, recipe.start_trunk, _some_crops(data))
        take_weights(network, saved, recipe.start)

    def predict(net: nn.Module, crops: Tensor) -> np.ndarray:
        face: FaceOutput = net(network_input(crops))
        return landmarks.to(crops.device)(face.camera, face.identity, face.weights())[..., :2].cpu().numpy()

    evaluate = (
        None if recipe.evaluation is None else aflw2000_evaluation(recipe.evaluation, predict, pose=True)
    )
    scale = expression_scale(data, model, recipe.loss.gaze)
    task: Task = AlignmentTask(recipe.loss, landmarks, mediapipe, weight, pairs, surface, scale)
    if recipe.teacher:
        try:
            teacher = load_alignment_network(Path(recipe.teacher), recipe.teacher_trunk, model)
        except InputError as error:
            raise InputError(f"{error}; give the teacher's trunk as teacher_trunk") from None
        mirror = Mirror.of(model)
        shown = PointModel(model, SurfacePoints.of(model).points)
        task = DistillationTask(recipe.distillation, task, shown, as_teacher(teacher), mirror)
    return Experiment(network, task, data, recipe.loop, evaluate)


def _pruned(
    saved: dict[str, Tensor], recipe: AlignmentRecipe, start_trunk: str, crops: Tensor
) -> dict[str, Tensor]:
    """Prune the weights of `start` to the trunk of the recipe.

    Raises:
        InputError: they are of another trunk, or of one with batch norms.
    """
    larger = dense_config(start_trunk)
    if larger.normalized:
        raise InputError(
            f"start_trunk {start_trunk!r} has batch norms, which have to be folded first; "
            f"'dense-folded' has none"
        )
    try:
        return pruned(saved, larger, dense_config(recipe.trunk), crops)
    except RuntimeError:
        raise InputError(f"{recipe.start} is not of a {start_trunk!r} network") from None


def _some_crops(data: LandmarkBatches, count: int = 384) -> Tensor:
    """Some crops of the training, as networks take them."""
    batches = range(min(-(-count // data.config.batch_size), len(data)))
    return network_input(torch.from_numpy(np.concatenate([data[step]["crop"] for step in batches])[:count]))


def expression_scale(data: LandmarkBatches, model: MorphableModel, gaze: float = 1.0) -> Tensor | None:
    """How much the error of each expression counts: in units of how much it varies over the labels.

    Args:
        data: folders with labels of expressions.
        model: whose expressions they are.
        gaze: how much more the weights of gaze count.
    """
    known = [f.labels for f in data.folders if "expression_weight" in f.labels]
    if not known:
        return None
    values = np.concatenate([labels["expression"] for labels in known])
    weights = np.concatenate([labels["expression_weight"] for labels in known])
    total = np.maximum(weights.sum(0), 1)
    mean = (values * weights).sum(0) / total
    spread = np.sqrt(((values - mean) ** 2 * weights).sum(0) / total)
    scale = np.clip(0.2 / np.maximum(spread, 1e-3), 0.7, 2.5)
    scale[[name.startswith("eyeLook") for name in model.expression_names]] *= gaze
    return torch.from_numpy(scale.astype(np.float32))
