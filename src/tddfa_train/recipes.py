"""What can be trained: each recipe builds network, data, task and evaluation from one config."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tddfa.errors import InputError
from tddfa.geometry.camera import camera_pose
from tddfa.morphable import MorphableModel
from tddfa_train.alignment_network import AlignmentNetwork, FaceNumbers
from tddfa_train.alignment_task import (
    AlignmentLossConfig,
    AlignmentTask,
    difference_pairs,
    regressed_expressions,
)
from tddfa_train.data.batches import LandmarkBatches, LandmarkDataConfig
from tddfa_train.data.coefficients import CoefficientBatches
from tddfa_train.data.parameters import ParameterBatches
from tddfa_train.data.surface_points import SurfacePoints
from tddfa_train.detector.faceboxes import FaceBoxesNetwork, MultiBoxConfig, MultiBoxTask
from tddfa_train.detector.mosaics import BoxRule, MosaicBatches, MosaicConfig
from tddfa_train.detector.network import DetectorConfig, FaceDetector
from tddfa_train.detector.task import DetectorLossConfig, DetectorTask
from tddfa_train.devices import device_of
from tddfa_train.distillation_task import DistillationLossConfig, DistillationTask, as_teacher
from tddfa_train.evaluate import evaluate_points, open_aflw2000
from tddfa_train.landmark_task import LandmarkLossConfig, LandmarkNetwork, LandmarkTask, network_input
from tddfa_train.losses import FaceBasis
from tddfa_train.mirror import Mirror
from tddfa_train.morphable import PointModel
from tddfa_train.networks import TRUNKS
from tddfa_train.parameter_task import ParameterLossConfig, ParameterNetwork, ParameterTask, crop_points
from tddfa_train.train import LoopConfig, StepData, Task

Evaluate = Callable[[nn.Module], Mapping[str, Any]]

# MediaPipe's points by what they say beyond the 68: lids and lips much, the face oval and the irises nothing.
_MEDIAPIPE_WEIGHTS = {
    "lips": 2.0,
    "left_eye": 2.0,
    "right_eye": 2.0,
    "face_oval": 0.1,
    "left_iris": 0.0,
    "right_iris": 0.0,
}


@dataclass(frozen=True, slots=True)
class EvaluationConfig:
    """Where AFLW2000-3D lies: an array of its official crops, and the labels."""

    crops: str
    labels: str


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


@dataclass(frozen=True, slots=True)
class AlignmentRecipe:
    """A trunk learns camera and coefficients of the open face model."""

    trunk: str
    data: LandmarkDataConfig
    loop: LoopConfig
    loss: AlignmentLossConfig = field(default_factory=AlignmentLossConfig)
    evaluation: EvaluationConfig | None = None
    start: str | None = None  # a checkpoint: its trunk, and its head where the shapes agree
    teacher: str | None = None  # a checkpoint of a larger network, which the labels are not alone with
    teacher_trunk: str = "dense"
    distillation: DistillationLossConfig = field(default_factory=DistillationLossConfig)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class ParameterRecipe:
    """The published recipe on fitted labels of the open face model."""

    trunk: str
    data: LandmarkDataConfig
    loop: LoopConfig
    loss: ParameterLossConfig = field(default_factory=ParameterLossConfig)
    evaluation: EvaluationConfig | None = None
    start: str | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class DetectorRecipe:
    """A detector learns from mosaics.

    Attributes:
        box_rule: .npz with `mean` and `matrix` of a `BoxRule`; without it, the box of the mean face.
        kind: of detector, as packs name it: "tddfa" or "faceboxes".
        network: sizes of the kind "tddfa"; FaceBoxes is as published.
        loss: of the kind "tddfa".
        multibox: loss of the kind "faceboxes".
    """

    data: MosaicConfig
    loop: LoopConfig
    box_rule: str | None = None
    kind: str = "tddfa"
    network: DetectorConfig = field(default_factory=DetectorConfig)
    loss: DetectorLossConfig = field(default_factory=DetectorLossConfig)
    multibox: MultiBoxConfig = field(default_factory=MultiBoxConfig)
    start: str | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Experiment:
    """Everything that the loop needs."""

    network: nn.Module
    task: Task
    data: StepData
    loop: LoopConfig
    evaluate: Evaluate | None = None


def load_weights(network: nn.Module, checkpoint: Path) -> list[str]:
    """Copies the averaged weights of a checkpoint where names and shapes agree.

    Returns:
        Names of the network's own weights that the checkpoint did not have.

    Raises:
        InputError: it is no checkpoint of a training.
    """
    try:
        saved: dict[str, Tensor] = torch.load(checkpoint, map_location="cpu", weights_only=True)["average"]
    except (OSError, KeyError, RuntimeError, UnpicklingError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"cannot read the checkpoint {checkpoint}: {reason}") from None
    own = network.state_dict()
    fitting = {key: value for key, value in saved.items() if key in own and own[key].shape == value.shape}
    network.load_state_dict(fitting, strict=False)
    return sorted(set(own) - set(fitting))


def _make_trunk(name: str) -> nn.Module:
    if name not in TRUNKS:
        raise InputError(f"no trunk named {name!r}; there are: {', '.join(TRUNKS)}")
    return TRUNKS[name]()


def mediapipe_weights(labels: Mapping[str, np.ndarray]) -> Tensor:
    """How much each of the labelled MediaPipe points counts; all the same where no group is named."""
    if "mediapipe_indices" not in labels:
        return torch.ones(labels["mediapipe"].shape[1])
    indices = labels["mediapipe_indices"]
    weight = np.ones(len(indices), np.float32)
    for group, value in _MEDIAPIPE_WEIGHTS.items():
        weight[np.isin(indices, labels[f"group_{group}"])] = value
    return torch.from_numpy(weight)


def _labelled(data: LandmarkBatches) -> Mapping[str, np.ndarray] | None:
    labelled = [f.labels for f in data.folders if "mediapipe" in f.labels]
    # Renders have exact points, but only photos say which points they are.
    return next((labels for labels in labelled if "mediapipe_indices" in labels), next(iter(labelled), None))


def landmark_experiment(recipe: LandmarkRecipe) -> Experiment:
    """Network, task and data of a landmark recipe."""
    torch.manual_seed(recipe.seed)
    trunk = _make_trunk(recipe.trunk)
    network = LandmarkNetwork(trunk, int(trunk.feature_size))  # pyright: ignore[reportArgumentType]
    data = LandmarkBatches(recipe.data, recipe.loop.n_steps)
    labels = _labelled(data)
    weight = torch.zeros(162) if labels is None else mediapipe_weights(labels)
    if recipe.start:
        load_weights(network, Path(recipe.start))

    def predict(net: nn.Module, crops: Tensor) -> np.ndarray:
        half, middle = crops.shape[1] / 2, (crops.shape[1] - 1) / 2
        return net(network_input(crops))["landmarks68"][..., :2].float().cpu().numpy() * half + middle

    evaluate = None if recipe.evaluation is None else _evaluation(recipe.evaluation, predict)
    return Experiment(network, LandmarkTask(recipe.loss, weight), data, recipe.loop, evaluate)


def make_alignment_network(trunk: str, model: MorphableModel) -> AlignmentNetwork:
    """An untrained network for a face model."""
    body = _make_trunk(trunk)
    regressed = regressed_expressions(model.expression_names, model.expression_basis)
    return AlignmentNetwork(body, int(body.feature_size), model.n_identity, regressed)  # pyright: ignore[reportArgumentType]


def load_alignment_network(checkpoint: Path, trunk: str, model: MorphableModel) -> AlignmentNetwork:
    """The alignment network of a checkpoint.

    Raises:
        InputError: it is of another network.
    """
    network = make_alignment_network(trunk, model)
    missing = load_weights(network, checkpoint)
    if missing:
        raise InputError(f"{checkpoint} is not of a {trunk!r} network: it has no {missing[0]}")
    return network


def alignment_experiment(recipe: AlignmentRecipe) -> Experiment:
    """Network, task and data of an alignment recipe."""
    torch.manual_seed(recipe.seed)
    model = MorphableModel.open(level=0, crop="head")
    landmarks = PointModel(model, model.landmark_sets["ibug68"])
    network = make_alignment_network(recipe.trunk, model)
    data = CoefficientBatches(recipe.data, recipe.loop.n_steps, model)
    labels = _labelled(data)
    points = model.landmark_sets["mediapipe478"]
    mediapipe = None if labels is None else PointModel(model, points)
    weight = None if labels is None else mediapipe_weights(labels)
    pairs = None if labels is None or points.numbers is None else difference_pairs(points.numbers)
    surface = None if data.surface_mirror is None else PointModel(model, SurfacePoints.of(model).points)
    if recipe.start:
        load_weights(network, Path(recipe.start))

    def predict(net: nn.Module, crops: Tensor) -> np.ndarray:
        face: FaceNumbers = net(network_input(crops))
        return landmarks.to(crops.device)(face.camera, face.identity, face.weights())[..., :2].cpu().numpy()

    evaluate = None if recipe.evaluation is None else _evaluation(recipe.evaluation, predict, pose=True)
    scale = expression_scale(data)
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


def expression_scale(data: LandmarkBatches) -> Tensor | None:
    """How much the error of each expression counts: in units of how much it varies over the labels."""
    known = [f.labels for f in data.folders if "expression_weight" in f.labels]
    if not known:
        return None
    values = np.concatenate([labels["expression"] for labels in known])
    weights = np.concatenate([labels["expression_weight"] for labels in known])
    total = np.maximum(weights.sum(0), 1)
    mean = (values * weights).sum(0) / total
    spread = np.sqrt(((values - mean) ** 2 * weights).sum(0) / total)
    return torch.from_numpy(np.clip(0.2 / np.maximum(spread, 1e-3), 0.7, 2.5).astype(np.float32))


def parameter_experiment(recipe: ParameterRecipe) -> Experiment:
    """Network, task and data of the published recipe."""
    torch.manual_seed(recipe.seed)
    model = MorphableModel.open(level=0, crop="face")
    data = ParameterBatches(recipe.data, recipe.loop.n_steps, model)
    mean, std = data.statistics()
    trunk = _make_trunk(recipe.trunk)
    network = ParameterNetwork(trunk, int(trunk.feature_size), mean, std)  # pyright: ignore[reportArgumentType]
    if recipe.start:
        load_weights(network, Path(recipe.start))
    # Costs are means over the vertices; the base vertices of the face stand for all.
    used = model.mesh_vertices
    basis = np.concatenate([model.identity_basis, model.expression_basis], axis=2)
    face = FaceBasis(model.mean[used], basis[used])
    landmarks = PointModel(model, model.landmark_sets["ibug68"])

    def predict(net: nn.Module, crops: Tensor) -> np.ndarray:
        return crop_points(net, landmarks.to(crops.device), crops)[..., :2].cpu().numpy()

    evaluate = None if recipe.evaluation is None else _evaluation(recipe.evaluation, predict)
    look_ahead = recipe.loss.look_ahead if recipe.loss.cost == "meta-joint" else 0
    loop = replace(recipe.loop, look_ahead=look_ahead)
    return Experiment(network, ParameterTask(recipe.loss, face), data, loop, evaluate)


def read_box_rule(recipe: DetectorRecipe) -> BoxRule:
    """The rule that makes boxes of landmarks."""
    return BoxRule.typical() if recipe.box_rule is None else BoxRule.read(Path(recipe.box_rule))


def detector_experiment(recipe: DetectorRecipe) -> Experiment:
    """Network, task and data of a detector recipe."""
    torch.manual_seed(recipe.seed)
    network: nn.Module
    task: Task
    if recipe.kind == "faceboxes":
        network, task = FaceBoxesNetwork(), MultiBoxTask(recipe.multibox)
    elif recipe.kind == "tddfa":
        network, task = FaceDetector(recipe.network), DetectorTask(recipe.loss)
    else:
        raise InputError(f"no detector of the kind {recipe.kind!r}; there are: tddfa, faceboxes")
    if recipe.start:
        load_weights(network, Path(recipe.start))
    data = MosaicBatches(recipe.data, read_box_rule(recipe), recipe.loop.n_steps)
    return Experiment(network, task, data, recipe.loop)


def load_detector(checkpoint: Path) -> FaceDetector | FaceBoxesNetwork:
    """The detector of a checkpoint, of whichever kind it is.

    Raises:
        InputError: it holds neither.
    """
    missing: list[str] = []
    for network in (FaceDetector(DetectorConfig()), FaceBoxesNetwork()):
        missing = load_weights(network, checkpoint)
        if not missing:
            return network
    raise InputError(f"{checkpoint} is not of a detector: it has no {missing[0]}")


def _evaluation(
    config: EvaluationConfig, predict: Callable[[nn.Module, Tensor], np.ndarray], *, pose: bool = False
) -> Evaluate:
    """AFLW2000-3D by landmarks and, for networks with a camera, by head pose."""
    data = open_aflw2000(Path(config.crops), Path(config.labels))

    def evaluate(network: nn.Module) -> dict[str, Any]:
        crops = torch.from_numpy(data.crops).to(device_of(network))
        chunks = crops.split(100)
        with torch.no_grad():
            result: dict[str, Any] = dict(
                evaluate_points(np.concatenate([predict(network, c) for c in chunks]), data)
            )
            if pose and data.angles_deg is not None:
                cameras = np.concatenate([network(network_input(c)).camera.cpu().numpy() for c in chunks])
                result["pose_mae"] = pose_error(cameras, data.angles_deg)
        return result

    return evaluate


def pose_error(cameras: np.ndarray, angles_deg: np.ndarray) -> dict[str, float]:
    """Mean absolute error of pitch, yaw and roll, degrees, over faces with all true angles within ±99°."""
    poses = [camera_pose(camera.astype(np.float64)) for camera in cameras]
    found = np.array([[pose.pitch_deg, pose.yaw_deg, pose.roll_deg] for pose in poses])
    counted = (np.abs(angles_deg) <= 99).all(1)
    error = np.abs(found - angles_deg)[counted].mean(0)
    names = ("pitch", "yaw", "roll")
    return dict(zip(names, map(float, error), strict=True)) | {
        "mean": float(error.mean()),
        "count": int(counted.sum()),
    }


RECIPES: Mapping[str, tuple[type[Any], Callable[[Any], Experiment]]] = {
    "landmarks": (LandmarkRecipe, landmark_experiment),
    "alignment": (AlignmentRecipe, alignment_experiment),
    "parameters": (ParameterRecipe, parameter_experiment),
    "detector": (DetectorRecipe, detector_experiment),
}
"""Name on the command line → config and how it becomes an experiment."""
