"""A detector learns from mosaics."""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from tddfa.errors import InputError
from tddfa_train.detector.faceboxes import FaceBoxesNetwork, MultiBoxConfig, MultiBoxTask
from tddfa_train.detector.mosaics import BoxRule, MosaicBatches, MosaicConfig
from tddfa_train.detector.network import DetectorConfig, FaceDetector
from tddfa_train.detector.task import DetectorLossConfig, DetectorTask
from tddfa_train.experiment import Experiment
from tddfa_train.loop.schedule import LoopConfig
from tddfa_train.loop.task import Task
from tddfa_train.weights import load_weights, read_weights


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
        load_weights(network, recipe.start)
    data = MosaicBatches(recipe.data, read_box_rule(recipe), recipe.loop.n_steps)
    return Experiment(network, task, data, recipe.loop)


def load_detector(checkpoint: Path) -> FaceDetector | FaceBoxesNetwork:
    """The detector of a checkpoint, of whichever kind it is.

    Raises:
        InputError: it holds neither.
    """
    saved = read_weights(checkpoint)
    networks = (
        FaceDetector(DetectorConfig()),
        FaceDetector(DetectorConfig(normalized=False)),
        FaceBoxesNetwork(),
    )
    for network in networks:
        own = network.state_dict()
        if all(key in saved and saved[key].shape == value.shape for key, value in own.items()):
            network.load_state_dict({key: saved[key] for key in own})
            return network
    lacking = next((key for key in networks[0].state_dict() if key not in saved), "weights of these sizes")
    raise InputError(f"{checkpoint} is not of a detector: it has no {lacking}")
