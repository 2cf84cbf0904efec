"""Camera and coefficients of a morphable model, taught through the points that they move."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tddfa_train.alignment_network import FaceNumbers
from tddfa_train.landmark_task import masked_distance, network_input
from tddfa_train.morphable import PointModel

# Points of the 68 that face each other across the eyes and the mouth.
_UPPER = [37, 38, 43, 44, 61, 62, 63]
_LOWER = [41, 40, 47, 46, 67, 66, 65]


@dataclass(frozen=True, slots=True)
class AlignmentLossConfig:
    """Weights of the terms."""

    depth: float = 0.3
    mediapipe: float = 0.25
    openings: float = 1.0  # of lids and lips: few points, few pixels, and what a face says
    identity: float = 1e-4
    expression: float = 1e-3
    confidence: float = 0.05


@dataclass(frozen=True, slots=True)
class AlignmentTask:
    """L1 on landmarks in units of half a crop, with priors on the coefficients.

    Coefficients are ambiguous, points are not: several expressions cannot be told apart from geometry, so
    labels are points and the prior chooses among the coefficients that explain them.
    """

    config: AlignmentLossConfig
    landmarks: PointModel
    mediapipe: PointModel | None = None
    mediapipe_weight: Float[Tensor, " points"] | None = None

    def losses(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """See `tddfa_train.train.Task`."""
        return self.compare(network(network_input(batch["crop"])), batch)

    def compare(self, face: FaceNumbers, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The loss terms of what a network said of a batch."""
        half = batch["crop"].shape[1] / 2
        truth = batch["landmarks68"]
        predicted = self.landmarks(face.camera, face.identity, face.expression)
        weight = batch["weight"]
        total = weight.sum().clamp(min=1.0)
        # Files of 300W-LP know no depth.
        has_depth = torch.isfinite(truth[..., 2]).all(1)
        depth, true_depth = predicted[..., 2], truth[..., 2].nan_to_num()
        depth_error = (
            (depth - depth.mean(1, keepdim=True)) - (true_depth - true_depth.mean(1, keepdim=True))
        ).abs() / half
        config = self.config
        terms: dict[str, Tensor] = {}
        if self.mediapipe is not None and self.mediapipe_weight is not None:
            shown = self.mediapipe(face.camera, face.identity, face.expression)[..., :2]
            terms["mediapipe"] = config.mediapipe * masked_distance(
                shown / half, batch["mediapipe"] / half, self.mediapipe_weight.expand(len(shown), -1)
            )
        if "opening_weight" in batch:
            terms["openings"] = (
                config.openings * _opening_error(predicted, truth, batch["opening_weight"]) / half
            )
        return terms | {
            "points": masked_distance(
                predicted[..., :2] / half, truth[..., :2] / half, weight[:, None].expand(-1, truth.shape[1])
            ),
            "depth": config.depth * (depth_error.mean(1) * weight * has_depth).sum() / total,
            "identity": config.identity * (face.identity.square().sum(1) * weight).sum() / total,
            "expression": config.expression * (face.expression.square().sum(1) * weight).sum() / total,
            "confidence": config.confidence
            * nn.functional.binary_cross_entropy_with_logits(face.confidence, batch["is_face"]),
        }


def _opening_error(predicted: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Mean |Δx| + |Δy| of the vectors across the lids and the inner lips, px."""
    wrong = (predicted[:, _UPPER] - predicted[:, _LOWER]) - (truth[:, _UPPER] - truth[:, _LOWER])
    return (wrong[..., :2].abs().sum(2).mean(1) * weight).sum() / weight.sum().clamp(min=1.0)


def crop_landmarks(network: nn.Module, landmarks: PointModel, crops: Tensor) -> Tensor:
    """The 68 landmarks of RGB crops (b, s, s, 3), px of the crop."""
    face: FaceNumbers = network(network_input(crops))
    return landmarks(face.camera, face.identity, face.expression)


def regressed_expressions(names: tuple[str, ...]) -> Tensor:
    """Which expressions move the skin of the face: all but gaze and tongue."""
    return torch.tensor([not (name.startswith("eyeLook") or name == "tongueOut") for name in names])
