"""A detector learns from mosaics."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tddfa.detection.anchor_free import STRIDES
from tddfa.errors import InputError
from tddfa_train.alignment.distillation import as_teacher
from tddfa_train.detector.distillation import DetectorDistillationConfig, DetectorDistillationTask
from tddfa_train.detector.faceboxes import FaceBoxesNetwork, MultiBoxConfig, MultiBoxTask
from tddfa_train.detector.mosaics import BoxRule, MosaicBatches, MosaicConfig
from tddfa_train.detector.network import DetectorConfig, FaceDetector
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
        start: a checkpoint to start from; a detector of the kind "tddfa" has its sizes.
        prune: whether the detector of `start` is pruned to the sizes of `network`.
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
    prune: bool = False
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
        if uneven := [side for side, _ in recipe.data.shapes if side % max(STRIDES)]:
            raise InputError(
                f"data.shapes has the side {uneven[0]}; multiples of {max(STRIDES)} px are needed"
            )
        network, task = FaceDetector(_sizes(recipe)), DetectorTask(recipe.loss)
    else:
        raise InputError(f"no detector of the kind {recipe.kind!r}; there are: tddfa, faceboxes")
    if recipe.prune and (recipe.start is None or not isinstance(network, FaceDetector)):
        raise InputError('"prune" is for detectors of the kind "tddfa" with weights to start from ("start")')
    data = MosaicBatches(recipe.data, read_box_rule(recipe), recipe.loop.n_steps)
    if recipe.start:
        if recipe.prune:
            network.load_state_dict(_pruned(recipe, recipe.start, data))
        else:
            load_weights(network, recipe.start)
    if recipe.teacher:
        if not isinstance(network, FaceDetector):
            raise InputError('a detector of the kind "faceboxes" has no teacher; leave out "teacher"')
        teacher = load_detector(Path(recipe.teacher))
        if not isinstance(teacher, FaceDetector):
            raise InputError(f'{recipe.teacher} is of the kind "faceboxes", which teaches nobody')
        as_teacher(teacher)
        task = DetectorDistillationTask(recipe.distillation, teacher, DetectorTask(recipe.loss))
    return Experiment(network, task, data, recipe.loop)


def _sizes(recipe: DetectorRecipe) -> DetectorConfig:
    """Return the sizes of the detector that is trained.

    Raises:
        InputError: other ones are asked for than the start has.
    """
    if recipe.start is None or recipe.prune:
        return recipe.network
    own = _sizes_of(recipe.start)
    if recipe.network not in (own, DetectorConfig()):
        raise InputError(f'{recipe.start} has other sizes than "network"; "prune": true prunes it to those')
    return own


def _sizes_of(start: str) -> DetectorConfig:
    try:
        return DetectorConfig.of(read_weights(start))
    except KeyError as lacking:
        raise InputError(f"{start} is not of a detector: it has no {lacking.args[0]}") from None


def _pruned(recipe: DetectorRecipe, start: str, data: MosaicBatches) -> dict[str, Tensor]:
    """Prune the detector of `start` to the recipe's.

    Raises:
        InputError: it has batch norms, or is the smaller one.
    """
    larger = _sizes_of(start)
    if larger.normalized or recipe.network.normalized:
        raise InputError('"prune" is for detectors without batch norms ("normalized": false)')
    every = len(data.config.shapes)  # batches of the first shape
    steps = range(0, min(_PRUNING_BATCHES * every, len(data)), every)
    images = network_input(torch.from_numpy(np.concatenate([data[step]["image"] for step in steps])))
    try:
        return pruned_detector(read_weights(start), larger, recipe.network, images)
    except RuntimeError:
        raise InputError(
            f"{start} has fewer channels than the detector that it should be pruned to"
        ) from None


def load_detector(checkpoint: Path) -> FaceDetector | FaceBoxesNetwork:
    """The detector of a checkpoint, of whichever kind it is.

    Raises:
        InputError: it holds neither.
    """
    saved = read_weights(checkpoint)
    network = FaceBoxesNetwork()
    if "stem.0.weight" in saved:
        network = FaceDetector(_sizes_of(str(checkpoint)))
    own = network.state_dict()
    if lacking := [key for key, value in own.items() if key not in saved or saved[key].shape != value.shape]:
        raise InputError(f"{checkpoint} is not of a detector: it has no {lacking[0]}")
    network.load_state_dict({key: saved[key] for key in own})
    return network
