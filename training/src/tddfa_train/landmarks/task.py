"""Landmarks straight from a crop: the task that teaches a trunk before there are morphable-model labels."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tddfa_train.data.points import aflw21_matrix

BYTE_MEAN, BYTE_RANGE = 127.5, 128.0


@dataclass(frozen=True, slots=True)
class LandmarkLossConfig:
    """Weights of the terms, and which MediaPipe points count more."""

    depth: float = 0.3
    mediapipe: float = 0.5
    annotations: float = 0.3
    confidence: float = 0.05


class LandmarkNetwork(nn.Module):
    """Trunk with linear heads for 68 points in 3D, MediaPipe's points and the confidence."""

    def __init__(self, trunk: nn.Module, feature: int, n_mediapipe: int = 162, side: int = 120):
        super().__init__()
        self.trunk = trunk
        self.side = side
        self.landmarks = nn.Linear(feature, 68 * 3)
        self.mediapipe = nn.Linear(feature, n_mediapipe * 2)
        self.confidence = nn.Linear(feature, 1)

    def forward(self, crops: Float[Tensor, "b 3 s s"]) -> dict[str, Tensor]:
        """Points in units of half a crop, by name, and the logit of the confidence."""
        feature = self.trunk(crops).float()
        with torch.autocast(crops.device.type, enabled=False):
            return {
                "landmarks68": self.landmarks(feature).view(-1, 68, 3),
                "mediapipe": self.mediapipe(feature).view(len(crops), -1, 2),
                "confidence": self.confidence(feature)[:, 0],
            }


def network_input(crops: Tensor) -> Float[Tensor, "b 3 s s"]:
    """RGB bytes (b, s, s, 3) as the network takes them: (v − 127.5) / 128, channels last in memory."""
    return (crops.permute(0, 3, 1, 2).float() - BYTE_MEAN) / BYTE_RANGE


def masked_distance(predicted: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean of |Δx| + |Δy| over the points that the truth has (NaN: not)."""
    known = torch.isfinite(truth).all(2)
    difference = (predicted - torch.nan_to_num(truth)).abs().sum(2)
    weights = weight * known
    return (difference * weights).sum() / weights.sum().clamp(min=1.0)


@dataclass(frozen=True, slots=True)
class LandmarkTask:
    """L1 on all point sets, in units of half a crop."""

    config: LandmarkLossConfig
    mediapipe_weight: Float[Tensor, "points"]

    def losses(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """See `tddfa_train.loop.task.Task`."""
        output = network(network_input(batch["crop"]))
        side = batch["crop"].shape[1]
        half = side / 2
        middle = (side - 1) / 2
        weight = batch["weight"][:, None]
        truth = batch["landmarks68"]
        predicted = output["landmarks68"]
        # Files of 300W-LP know no depth.
        depth = (predicted[..., 2] - truth[..., 2].nan_to_num() / half).abs() * truth[..., 2].isfinite()
        marked = predicted[..., :2].transpose(1, 2) @ torch.from_numpy(aflw21_matrix()).T.to(predicted)
        flat = [(name, (batch[name] - middle) / half) for name in ("mediapipe", "human21")]
        points = dict(flat)
        return {
            "points": masked_distance(
                predicted[..., :2], (truth[..., :2] - middle) / half, weight.expand(-1, 68)
            ),
            "depth": self.config.depth * (depth * weight).sum() / (weight.sum() * 68).clamp(min=1.0),
            "mediapipe": self.config.mediapipe
            * masked_distance(
                output["mediapipe"], points["mediapipe"], self.mediapipe_weight.expand(len(truth), -1)
            ),
            "annotations": self.config.annotations
            * masked_distance(
                marked.transpose(1, 2),
                points["human21"],
                torch.ones(len(truth), 21, device=truth.device),
            ),
            "confidence": self.config.confidence
            * nn.functional.binary_cross_entropy_with_logits(output["confidence"], batch["is_face"]),
        }
