"""A small one-stage detector of plain convolutions: per place a score and the distances to a box's sides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tddfa.detection.anchor_free import LARGEST_LOG
from tddfa_train.networks import dense
from tddfa_train.networks.dense import ResidualBlock

# Faces up to this side belong to the level, the rest to the last: a face is a few cells wide everywhere.
LARGEST_SIDE = (28.0, 64.0, 150.0, float("inf"))


@dataclass(frozen=True, slots=True)
class DetectorConfig:
    """Channels of the stem, of the map at each stride, and of the heads."""

    stem: int = 24
    stem_kernel: int = 5  # 4: cells that do not overlap
    widths: tuple[int, ...] = (40, 64, 96, 128)
    inner: tuple[int, ...] = ()  # channels within the block of each stride but the first; (): those around
    head: int = 40
    normalized: bool = True  # with batch norms; without, they are folded into the convolutions before them

    @classmethod
    def of(cls, weights: Mapping[str, Tensor]) -> "DetectorConfig":
        """Return the sizes of a detector from its weights.

        Raises:
            KeyError: they are of another network.
        """

        def outputs(name: str) -> int:
            return len(weights[f"{name}.weight"])

        n_levels = sum(key.startswith("heads.") and key.endswith(".weight") for key in weights)
        widths = tuple(outputs(f"down.{level}.0.0") for level in range(n_levels))
        inner = tuple(outputs(f"down.{level}.1.first.0") for level in range(1, n_levels))
        return cls(
            stem=outputs("stem.0"),
            stem_kernel=weights["stem.0.weight"].shape[2],
            widths=widths,
            inner=() if inner == widths[1:] else inner,
            head=outputs("lateral.0.0"),
            normalized="stem.1.running_mean" in weights,
        )


@dataclass(frozen=True, slots=True)
class LevelOutput:
    """What one level says.

    Attributes:
        score: logit of "the middle of a face is here".
        sides: distances from the cell's middle to the left, top, right and bottom side, in strides.
    """

    score: Float[Tensor, "b h w"]
    sides: Float[Tensor, "b h w 4"]

    @classmethod
    def of(cls, raw: Float[Tensor, "b 5 h w"]) -> "LevelOutput":
        """Return what a level's logits and logarithms of sides say."""
        return cls(raw[:, 0], raw[:, 1:].clamp(max=LARGEST_LOG).exp().permute(0, 2, 3, 1))


class FaceDetector(nn.Module):
    """Images with sides in multiples of 64 → four maps; coarse ones tell fine ones what is around."""

    def __init__(self, config: DetectorConfig):
        super().__init__()
        conv = partial(dense.conv, normalized=config.normalized)
        self.stem = conv(3, config.stem, kernel=config.stem_kernel, stride=4)
        self.down = nn.ModuleList()
        self.lateral = nn.ModuleList()
        self.smooth = nn.ModuleList()
        inputs = config.stem
        within = (0, *(config.inner or (0,) * (len(config.widths) - 1)))
        for level, (width, inner) in enumerate(zip(config.widths, within, strict=True)):
            body = ResidualBlock(width, inner, normalized=config.normalized) if level else conv(width, width)
            self.down.append(nn.Sequential(conv(inputs, width, stride=2), body))
            self.lateral.append(conv(width, config.head, kernel=1))
            self.smooth.append(conv(config.head, config.head))
            inputs = width
        self.heads = nn.ModuleList()
        for _ in config.widths:
            head = nn.Conv2d(config.head, 5, 1)
            nn.init.normal_(head.weight, std=0.01)
            # Nearly every place shows no face; exp(0.7): two strides to each side.
            head.bias = nn.Parameter(torch.tensor([-4.0, 0.7, 0.7, 0.7, 0.7]))
            self.heads.append(head)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> list[LevelOutput]:
        """Scores and sides of all levels, finest first."""
        return [LevelOutput.of(raw) for raw in self.raw_levels(images)]

    def raw_levels(self, images: Tensor) -> list[Float[Tensor, "b 5 h w"]]:
        """Of each place of each level, finest first: logit, and logarithms of the sides in strides."""
        x = self.stem(images)
        maps: list[Tensor] = []
        for down, lateral in zip(self.down, self.lateral, strict=True):
            x = down(x)
            maps.append(lateral(x))
        return [
            head(smooth(level_map)).float()
            for smooth, head, level_map in zip(self.smooth, self.heads, top_down(maps), strict=True)
        ]


def top_down(maps: Sequence[Float[Tensor, "b c h w"]]) -> list[Float[Tensor, "b c h w"]]:
    """Add to the map of each level, finest first, those of all coarser ones, enlarged.

    Source: Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017; without its convolutions.
    """
    sums = [*maps]
    for level in range(len(sums) - 2, -1, -1):
        sums[level] = sums[level] + nn.functional.interpolate(sums[level + 1], scale_factor=2, mode="nearest")
    return sums


def cell_centers(height: int, width: int, stride: int) -> Float[Tensor, "h w 2"]:
    """Middle of each cell (x, y) in the image, px; the first pixel's centre is 0."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([x, y], -1).float() * stride + (stride - 1) / 2


def boxes_of(level: LevelOutput, stride: int) -> Float[Tensor, "b h w 4"]:
    """Boxes (x0, y0, x1, y1) of every cell, px."""
    _, height, width = level.score.shape
    center = cell_centers(height, width, stride).to(level.sides.device)
    return torch.cat([center - level.sides[..., :2] * stride, center + level.sides[..., 2:] * stride], -1)
