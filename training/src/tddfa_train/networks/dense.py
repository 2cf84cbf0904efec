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
    detail: int = 0  # channels of the 8x8 map that is flattened as well, 0: none; lids and lips are small
    detail_feature: int = 256
    normalized: bool = True  # with batch norms; without, they are folded into the convolutions before them
    inner: tuple[int, ...] = ()  # channels within the blocks of each size; () or 0: those around them


def conv(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, *, act: bool = True, normalized: bool = True
) -> nn.Sequential:
    """Build a convolution with batch norm (or a bias) and, unless told not to, ReLU.

    Odd kernels see a border of zeros; even ones, as wide as the stride, divide the image.
    """
    padding = kernel // 2 if kernel % 2 else 0
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=not normalized)]
    if normalized:
        layers.append(nn.BatchNorm2d(outputs))
    if act:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def folded(state: dict[str, Tensor], eps: float = 1e-5) -> dict[str, Tensor]:
    """Fold the batch norms of a `DenseNet`'s weights into its convolutions.

    A network without batch norms computes the same, trains 1.5 times as fast on a CPU and starts where
    trained weights are, not from random ones.

    Args:
        state: weights of a network with batch norms, under any prefix.
        eps: of the batch norms.

    Returns:
        Weights for the same network with `normalized=False`.
    """
    result: dict[str, Tensor] = {}
    norms = {key.removesuffix(".1.running_var") for key in state if key.endswith(".1.running_var")}
    for key, value in state.items():
        stem, _, rest = key.rpartition(".1.")
        if stem in norms and "." not in rest:
            continue
        result[key] = value
    for stem in norms:
        factor = state[f"{stem}.1.weight"] / (state[f"{stem}.1.running_var"] + eps).sqrt()
        result[f"{stem}.0.weight"] = state[f"{stem}.0.weight"] * factor[:, None, None, None]
        result[f"{stem}.0.bias"] = state[f"{stem}.1.bias"] - state[f"{stem}.1.running_mean"] * factor
    return result


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a skip, with as many channels between them or fewer."""

    def __init__(self, channels: int, inner: int = 0, *, normalized: bool = True):
        super().__init__()
        self.first = conv(channels, inner or channels, normalized=normalized)
        self.second = conv(inner or channels, channels, act=False, normalized=normalized)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The map after the block."""
        return torch.relu(x + self.second(self.first(x)))


class DenseNet(nn.Module):
    """Trunk for CPUs: a crop becomes one feature vector."""

    def __init__(self, config: DenseConfig):
        super().__init__()
        self.feature_size = config.feature + (config.detail_feature if config.detail else 0)
        layers: list[nn.Module] = []
        inputs = 3
        within = config.inner or (0,) * len(config.widths)
        for width, count, inner in zip(config.widths, config.blocks, within, strict=True):
            layers.append(conv(inputs, width, stride=2, normalized=config.normalized))
            layers += [ResidualBlock(width, inner, normalized=config.normalized) for _ in range(count)]
            inputs = width
        self.body = nn.Sequential(*layers)
        self.squeeze = conv(inputs, config.squeeze, kernel=1, normalized=config.normalized)
        self.project = nn.Linear(config.squeeze * 16, config.feature)
        self.n_fine = len(self.body) - 1 - config.blocks[-1]  # layers before the last halving
        if config.detail:
            self.detail = conv(config.widths[-2], config.detail, kernel=1, normalized=config.normalized)
            self.detail_project = nn.Linear(config.detail * 64, config.detail_feature)

    def forward(self, crops: Float[Tensor, "b 3 120 120"]) -> Float[Tensor, "b feature"]:
        """Compute the features of crops."""
        fine = self.body[: self.n_fine](crops)
        feature = torch.relu(self.project(self.squeeze(self.body[self.n_fine :](fine)).flatten(1)))
        if not hasattr(self, "detail"):
            return feature
        detail = torch.relu(self.detail_project(self.detail(fine).flatten(1)))
        return torch.cat([feature, detail], 1)


DEFAULT = DenseConfig()
# Three quarters of the default one's time on a CPU.
LIGHT = DenseConfig(inner=(0, 0, 32, 64, 0), normalized=False)
SMALL = DenseConfig(widths=(16, 32, 48, 96, 128), blocks=(0, 0, 0, 1, 0), squeeze=32, feature=192)
