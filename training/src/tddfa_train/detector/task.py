"""Which place should find which face, and what it costs to miss."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tddfa.detection.anchor_free import STRIDES
from tddfa_train.detector.network import LARGEST_SIDE, LevelOutput, boxes_of, cell_centers
from tddfa_train.landmarks.task import network_input


@dataclass(frozen=True, slots=True)
class DetectorLossConfig:
    """Focal loss for the scores, generalised IoU for the boxes."""

    alpha: float = 0.5
    gamma: float = 2.0
    core: float = 0.25  # places within this share of the box's half sides are positive
    ignored: float = 0.6  # places within this one, but not in the core, are neither
    boxes: float = 0.5


def assign(
    boxes: Float[Tensor, "b m 4"], height: int, width: int, level: int, config: DetectorLossConfig
) -> tuple[Float[Tensor, "b h w"], Float[Tensor, "b h w 4"]]:
    """Score target of each cell (1 face, 0 none, -1 neither) and the box it belongs to.

    A face belongs to one level by its size; on the levels beside it, it is neither. The nearest cell is
    always positive.
    """
    center = cell_centers(height, width, STRIDES[level]).to(boxes.device)
    middle = (boxes[..., :2] + boxes[..., 2:]) / 2
    extent = boxes[..., 2:] - boxes[..., :2]
    side = extent.clamp(min=1).prod(-1).sqrt()
    low = LARGEST_SIDE[level - 1] if level else 0.0
    here = (side > low) & (side <= LARGEST_SIDE[level])
    near = (side > low / 1.5) & (side <= LARGEST_SIDE[level] * 1.5)
    away = (center[None, :, :, None] - middle[:, None, None]).abs()  # b h w m 2
    share = (away / (extent[:, None, None] / 2).clamp(min=1)).amax(-1)
    closest = away.amax(-1) <= STRIDES[level] / 2
    known = torch.isfinite(side)
    positive = ((share < config.core) | closest) & (here & known)[:, None, None]
    neither = (share < config.ignored) & ((near | here) & known)[:, None, None]
    score = torch.zeros(len(boxes), height, width, device=boxes.device)
    score[neither.any(-1)] = -1
    score[positive.any(-1)] = 1
    # Of several faces the nearest one.
    share = torch.where(positive, share, torch.inf)
    owner = share.argmin(-1)
    target = torch.gather(
        boxes.nan_to_num(0)[:, None, None].expand(-1, height, width, -1, -1),
        3,
        owner[..., None, None].expand(-1, -1, -1, 1, 4),
    )[..., 0, :]
    return score, target


def generalised_iou_loss(a: Float[Tensor, "n 4"], b: Float[Tensor, "n 4"]) -> Float[Tensor, "n"]:
    """1 − generalised intersection over union.

    Source: Rezatofighi et al., "Generalized Intersection over Union", CVPR 2019.
    """
    shared = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(1)
    union = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - shared
    return 1 - shared / union.clamp(min=1e-6) + (hull - union) / hull.clamp(min=1e-6)


@dataclass(frozen=True, slots=True)
class DetectorTask:
    """Scores and boxes of all levels."""

    config: DetectorLossConfig

    def losses(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """See `tddfa_train.loop.task.Task`."""
        return self.compare(network(network_input(batch["image"])), batch["boxes"])

    def compare(self, levels: Sequence[LevelOutput], boxes: Float[Tensor, "b m 4"]) -> dict[str, Tensor]:
        """Return the weighted terms of what a detector says of images with these boxes."""
        score_sum = torch.zeros(())
        box_sum = torch.zeros(())
        n_positive = torch.zeros(())
        config = self.config
        for index, level in enumerate(levels):
            _, height, width = level.score.shape
            target, box = assign(boxes, height, width, index, config)
            positive = target == 1
            known = target >= 0
            probability = torch.sigmoid(level.score)
            miss = torch.where(positive, 1 - probability, probability)
            cross = nn.functional.binary_cross_entropy_with_logits(
                level.score, positive.float(), reduction="none"
            )
            balance = torch.where(positive, config.alpha, 1 - config.alpha)
            score_sum = score_sum + (balance * miss**config.gamma * cross)[known].sum()
            box_sum = (
                box_sum + generalised_iou_loss(boxes_of(level, STRIDES[index])[positive], box[positive]).sum()
            )
            n_positive = n_positive + positive.sum()
        n_positive = n_positive.clamp(min=1)
        return {"score": score_sum / n_positive, "boxes": config.boxes * box_sum / n_positive}
