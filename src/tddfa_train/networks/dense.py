"""Residual nets of plain 3x3 convolutions: on a CPU they train several times faster than depthwise ones."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class DenseConfig:
    """Widths and residual blocks after each halving of the 120-px crop (60, 30, 15, 8, 4)."""

    widths: tuple[int, ...] = (16, 32, 64, 128, 128)
    blocks: tuple[int, ...] = (0, 0, 1, 1, 1)
    squeeze: int = 48  # channels of the 4x4 map that is flattened: keeps where, not only what
    feature: int = 256


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, *, act: bool = True) -> nn.Sequential:
    """Convolution, batch norm and (unless told not to) ReLU."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    if act:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a skip."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = conv(channels, channels)
        self.second = conv(channels, channels, act=False)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The map after the block."""
        return torch.relu(x + self.second(self.first(x)))


class DenseNet(nn.Module):
    """Trunk for CPUs: a crop becomes one feature vector."""

    def __init__(self, config: DenseConfig):
        super().__init__()
        self.feature_size = config.feature
        layers: list[nn.Module] = []
        inputs = 3
        for width, count in zip(config.widths, config.blocks, strict=True):
            layers.append(conv(inputs, width, stride=2))
            layers += [ResidualBlock(width) for _ in range(count)]
            inputs = width
        self.body = nn.Sequential(*layers)
        self.squeeze = conv(inputs, config.squeeze, kernel=1)
        self.project = nn.Linear(config.squeeze * 16, config.feature)

    def forward(self, crops: Float[Tensor, "b 3 120 120"]) -> Float[Tensor, "b feature"]:
        """Features of crops."""
        return torch.relu(self.project(self.squeeze(self.body(crops)).flatten(1)))


DEFAULT = DenseConfig()
SMALL = DenseConfig(widths=(16, 32, 48, 96, 128), blocks=(0, 0, 0, 1, 0), squeeze=32, feature=192)
