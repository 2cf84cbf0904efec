"""Trunks that turn a crop into a feature; a new one is a module and a line in the table."""

from collections.abc import Callable
from dataclasses import replace

from torch import nn

from tddfa_train.networks.dense import DEFAULT, SMALL, DenseConfig, DenseNet
from tddfa_train.networks.mobilenet import MobileNetV1
from tddfa_train.networks.resnet22 import ResNet22

TRUNKS: dict[str, Callable[[], nn.Module]] = {
    "dense": lambda: DenseNet(DEFAULT),
    "dense-folded": lambda: DenseNet(replace(DEFAULT, normalized=False)),
    "dense-detail": lambda: DenseNet(replace(DEFAULT, normalized=False, detail=40)),
    "dense-small": lambda: DenseNet(SMALL),
    "mobilenet-1.0": lambda: MobileNetV1(1.0),
    "mobilenet-0.75": lambda: MobileNetV1(0.75),
    "mobilenet-0.5": lambda: MobileNetV1(0.5),
    "resnet-22": ResNet22,
}
"""Name in configs and on the command line → trunk with `feature_size`."""

__all__ = ["TRUNKS", "DenseConfig", "DenseNet", "MobileNetV1", "ResNet22"]
