"""Trunks that turn a crop into a feature; a new one is a module and a line in the table."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from torch import nn

from tddfa_train.networks.dense import DEFAULT, LIGHT, SMALL, DenseConfig, DenseNet
from tddfa_train.networks.mobilenet import MobileNetV1
from tddfa_train.networks.resnet22 import ResNet22

DENSE: dict[str, DenseConfig] = {
    "dense": DEFAULT,
    "dense-folded": replace(DEFAULT, normalized=False),
    "dense-detail": replace(DEFAULT, normalized=False, detail=40),
    "dense-light": LIGHT,
    "dense-small": SMALL,
}
"""The trunks of plain convolutions."""

TRUNKS: dict[str, Callable[[], nn.Module]] = {
    **{name: partial(DenseNet, config) for name, config in DENSE.items()},
    "mobilenet-1.0": lambda: MobileNetV1(1.0),
    "mobilenet-0.75": lambda: MobileNetV1(0.75),
    "mobilenet-0.5": lambda: MobileNetV1(0.5),
    "resnet-22": ResNet22,
}
"""Name in configs and on the command line → trunk with `feature_size`."""

__all__ = ["DENSE", "TRUNKS", "DenseConfig", "DenseNet", "MobileNetV1", "ResNet22"]
