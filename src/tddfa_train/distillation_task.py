"""A small network learns from labels and, on the same spoiled crops, from what a larger one says of them.

A label says where 68 points lie; the teacher answers with the whole face, and without the label's own noise.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from tddfa.morphable.landmarks import LandmarkSet
from tddfa.morphable.model import MorphableModel
from tddfa_train.alignment_network import FaceNumbers
from tddfa_train.alignment_task import AlignmentTask
from tddfa_train.landmark_task import network_input
from tddfa_train.morphable import PointModel


@dataclass(frozen=True, slots=True)
class DistillationLossConfig:
    """Weights of the terms."""

    labels: float = 0.5  # of all terms of the labels
    surface: float = 1.0
    confidence: float = 0.05


@dataclass(frozen=True, slots=True)
class DistillationTask:
    """Terms of the labels, plus the distance to the teacher's surface.

    Attributes:
        config: weights.
        labels: the task without a teacher.
        teacher: an `AlignmentNetwork` of the same face model; it does not change.
        surface: points all over the face.
    """

    config: DistillationLossConfig
    labels: AlignmentTask
    teacher: nn.Module
    surface: PointModel

    def losses(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """See `tddfa_train.train.Task`."""
        crops = network_input(batch["crop"])
        with torch.no_grad():
            taught: FaceNumbers = self.teacher(crops)
        face: FaceNumbers = network(crops)
        terms = {name: self.config.labels * term for name, term in self.labels.compare(face, batch).items()}
        # What the teacher itself takes for no face, it has nothing to say about.
        trust = torch.sigmoid(taught.confidence) * batch["is_face"]
        half = batch["crop"].shape[1] / 2
        terms["surface"] = self.config.surface * _surface_distance(self.surface, face, taught, trust) / half
        terms["confidence"] = terms[
            "confidence"
        ] + self.config.confidence * nn.functional.binary_cross_entropy_with_logits(
            face.confidence, torch.sigmoid(taught.confidence)
        )
        return terms


def _surface_distance(
    surface: PointModel, face: FaceNumbers, taught: FaceNumbers, trust: Float[Tensor, " b"]
) -> Tensor:
    """Mean |Δx| + |Δy| + |Δz| / 3 of the points, px; depth is relative to its mean on either face."""
    points = surface(face.camera, face.identity, face.expression)
    with torch.no_grad():
        truth = surface(taught.camera, taught.identity, taught.expression)
    flat = (points[..., :2] - truth[..., :2]).abs().sum(2).mean(1)
    depth, true_depth = points[..., 2], truth[..., 2]
    deep = ((depth - depth.mean(1, keepdim=True)) - (true_depth - true_depth.mean(1, keepdim=True))).abs()
    return ((flat + deep.mean(1) / 3) * trust).sum() / trust.sum().clamp(min=1.0)


def face_points(face: MorphableModel, every: int = 8) -> LandmarkSet:
    """Every n-th base vertex of a face model that is cropped to the face."""
    used = np.arange(len(face.mean)) if face.surface is None else face.surface.base
    return LandmarkSet.at_vertices(used[::every])


def as_teacher(network: nn.Module) -> nn.Module:
    """The network as it judges crops: nothing in it learns or counts batches any more."""
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return network.eval().requires_grad_(False)
