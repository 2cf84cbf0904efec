"""A detector learns from mosaics."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tddfa.errors import InputError
from tddfa_train.alignment.distillation import as_teacher
from tddfa_train.detector.distillation import DetectorDistillationConfig, DetectorDistillationTask
from tddfa_train.detector.faceboxes import FaceBoxesNetwork, MultiBoxConfig, MultiBoxTask
from tddfa_train.detector.mosaics import BoxRule, MosaicBatches, MosaicConfig
from tddfa_train.detector.network import LIGHT, DetectorConfig, FaceDetector
from tddfa_train.detector.pruning import pruned_detector
from tddfa_train.detector.task import DetectorLossConfig, DetectorTask
from tddfa_train.experiment import Experiment
from tddfa_train.landmarks.task import network_input
from tddfa_train.loop.schedule import LoopConfig
from tddfa_train.loop.task import Task
from tddfa_train.weights import load_weights, read_weights

_PRUNING_BATCHES = 4  # of training, on which convolutions are fitted


@dataclass(frozen=True, slots=True)
class DetectorRecipe:
    """A detector learns from mosaics.

    Attributes:
        box_rule: .npz with `mean` and `matrix` of a `BoxRule`; without it, the box of the mean face.
        kind: of detector, as packs name it: "tddfa" or "faceboxes".
        network: sizes of the kind "tddfa"; FaceBoxes is as published.
        loss: of the kind "tddfa".
        multibox: loss of the kind "faceboxes".
        start: a checkpoint to start from.
        start_network: sizes of the checkpoint's detector, where it is a larger one: it is pruned then.
        teacher: a checkpoint of a detector of the kind "tddfa"; teaches beside the boxes or instead.
        distillation: loss of what is learned from a teacher.
    """

    data: MosaicConfig
    loop: LoopConfig
    box_rule: str | None = None
    kind: str = "tddfa"
    network: DetectorConfig = field(default_factory=DetectorConfig)
    loss: DetectorLossConfig = field(default_factory=DetectorLossConfig)
    multibox: MultiBoxConfig = field(default_factory=MultiBoxConfig)
    start: str | None = None
    start_network: DetectorConfig | None = None
    teacher: str | None = None
    distillation: DetectorDistillationConfig = field(default_factory=DetectorDistillationConfig)
    seed: int = 0


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
    data = MosaicBatches(recipe.data, read_box_rule(recipe), recipe.loop.n_steps)
    if recipe.start:
        if recipe.start_network is None:
            load_weights(network, recipe.start)
        else:
            network.load_state_dict(_pruned(recipe, recipe.start, recipe.start_network, data))
    if recipe.teacher:
        if not isinstance(network, FaceDetector):
            raise InputError('a detector of the kind "faceboxes" has no teacher; leave out "teacher"')
        teacher = load_detector(Path(recipe.teacher))
        if not isinstance(teacher, FaceDetector):
            raise InputError(f'{recipe.teacher} is of the kind "faceboxes", which teaches nobody')
        as_teacher(teacher)
        task = DetectorDistillationTask(recipe.distillation, teacher, DetectorTask(recipe.loss))
    return Experiment(network, task, data, recipe.loop)


def _pruned(
    recipe: DetectorRecipe, start: str, larger: DetectorConfig, data: MosaicBatches
) -> dict[str, Tensor]:
    """Prune the detector of `start` to the recipe's.

    Raises:
        InputError: it is another one, or either has batch norms.
    """
    if recipe.kind != "tddfa" or larger.normalized or recipe.network.normalized:
        raise InputError(
            'start_network is for detectors of the kind "tddfa" without batch norms ("normalized": false)'
        )
    every = len(data.config.shapes)  # batches of the first shape
    steps = range(0, min(_PRUNING_BATCHES * every, len(data)), every)
    images = network_input(torch.from_numpy(np.concatenate([data[step]["image"] for step in steps])))
    saved = read_weights(start)
    try:
        return pruned_detector(saved, larger, recipe.network, images)
    except RuntimeError:
        raise InputError(f"{start} is not of the detector that start_network describes") from None


def load_detector(checkpoint: Path) -> FaceDetector | FaceBoxesNetwork:
    """The detector of a checkpoint, of whichever kind it is.

    Raises:
        InputError: it holds neither.
    """
    saved = read_weights(checkpoint)
    networks = (
        FaceDetector(DetectorConfig()),
        FaceDetector(DetectorConfig(normalized=False)),
        FaceDetector(LIGHT),
        FaceBoxesNetwork(),
    )
    for network in networks:
        own = network.state_dict()
        if all(key in saved and saved[key].shape == value.shape for key, value in own.items()):
            network.load_state_dict({key: saved[key] for key in own})
            return network
    lacking = next((key for key in networks[0].state_dict() if key not in saved), "weights of these sizes")
    raise InputError(f"{checkpoint} is not of a detector: it has no {lacking}")
