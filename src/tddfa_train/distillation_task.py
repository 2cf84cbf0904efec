"""A network learns from labels and, on the same spoiled crops, from what another one says of them.

A label says where 68 points lie; the teacher answers with the whole face, and without the label's own noise.
It may look at every crop twice, the second time in a mirror: the mean of both answers is better than either.
Who learns that mean needs no mirror.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from tddfa.morphable.landmarks import LandmarkSet
from tddfa.morphable.model import MorphableModel
from tddfa_train.alignment_network import FaceNumbers
from tddfa_train.alignment_task import AlignmentTask
from tddfa_train.landmark_task import network_input
from tddfa_train.morphable import PointModel


@dataclass(frozen=True, slots=True)
class DistillationLossConfig:
    """Weights of the terms, and how the teacher looks."""

    labels: float = 0.5  # of all terms of the labels
    surface: float = 1.0
    confidence: float = 0.05
    mirrored: bool = True  # the teacher sees each crop in a mirror, too


@dataclass(frozen=True, slots=True)
class Mirror:
    """How the numbers of a face change when its crop is mirrored left to right.

    Attributes:
        identity_sign: what each identity coefficient is multiplied with.
        expression_order: number of each expression's twin on the other side of the face.
    """

    identity_sign: Float[Tensor, " i"]
    expression_order: Int[Tensor, " e"]

    @classmethod
    def of(cls, model: MorphableModel) -> "Mirror":
        """The mirror of a face model with symmetric bases."""
        names = torch.arange(len(model.expression_names), dtype=torch.float32)
        params = model.params(identity=np.ones(model.n_identity, np.float32), expression=names.numpy())
        mirrored = model.mirrored(params, 1.0)
        return cls(torch.from_numpy(mirrored.identity), torch.from_numpy(mirrored.expression).long())

    def __call__(self, face: FaceNumbers, side: int) -> FaceNumbers:
        """The numbers of the same face in the mirrored crop."""
        camera = face.camera * torch.tensor([-1.0, 1.0, 1.0, 1.0], device=face.camera.device)
        first = -camera[:, :1] + torch.tensor([0.0, 0.0, 0.0, side - 1], device=face.camera.device)
        return FaceNumbers(
            torch.cat([first, camera[:, 1:]], 1),
            face.identity * self.identity_sign,
            face.expression[:, self.expression_order],
            face.confidence,
        )


@dataclass(frozen=True, slots=True)
class DistillationTask:
    """Terms of the labels, plus the distance to the teacher's face.

    Attributes:
        config: weights.
        labels: the task without a teacher.
        teacher: an `AlignmentNetwork` of the same face model; it does not change.
        points: what is compared.
        mirror: of the face model; None: the teacher looks once, whatever the config says.
    """

    config: DistillationLossConfig
    labels: AlignmentTask
    teacher: nn.Module
    points: PointModel
    mirror: Mirror | None = None

    def losses(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """See `tddfa_train.train.Task`."""
        crops = network_input(batch["crop"])
        face: FaceNumbers = network(crops)
        taught, trust = self.answer(crops)
        terms = {name: self.config.labels * term for name, term in self.labels.compare(face, batch).items()}
        # What the teacher itself takes for no face, it has nothing to say about.
        weight = torch.sigmoid(trust) * batch["is_face"]
        shown = self.points(face.camera, face.identity, face.expression)
        half = batch["crop"].shape[1] / 2
        terms["surface"] = self.config.surface * _distance(shown, taught, weight) / half
        unsure = nn.functional.binary_cross_entropy_with_logits(face.confidence, torch.sigmoid(trust))
        terms["confidence"] = terms["confidence"] + self.config.confidence * unsure
        return terms

    @torch.no_grad()
    def answer(
        self, crops: Float[Tensor, "b 3 s s"]
    ) -> tuple[Float[Tensor, "b points 3"], Float[Tensor, " b"]]:
        """The teacher's points, px of the crops, and the logit of its confidence."""
        said: FaceNumbers = self.teacher(crops)
        points = self.points(said.camera, said.identity, said.expression)
        if self.mirror is None or not self.config.mirrored:
            return points, said.confidence
        again = self.mirror(self.teacher(crops.flip(3)), crops.shape[3])
        points = (points + self.points(again.camera, again.identity, again.expression)) / 2
        return points, (said.confidence + again.confidence) / 2


def _distance(
    points: Float[Tensor, "b n 3"], truth: Float[Tensor, "b n 3"], weight: Float[Tensor, " b"]
) -> Tensor:
    """Mean |Δx| + |Δy| + |Δz| / 3 of the points, px; depth is relative to its mean on either face."""
    flat = (points[..., :2] - truth[..., :2]).abs().sum(2).mean(1)
    depth, true_depth = points[..., 2], truth[..., 2]
    deep = ((depth - depth.mean(1, keepdim=True)) - (true_depth - true_depth.mean(1, keepdim=True))).abs()
    return ((flat + deep.mean(1) / 3) * weight).sum() / weight.sum().clamp(min=1.0)


def face_points(model: MorphableModel, used: Int[np.ndarray, " n"], every: int = 8) -> LandmarkSet:
    """The 68 landmarks, and every n-th of some base vertices."""
    landmarks = model.landmark_sets["ibug68"]
    corners = np.repeat(used[::every, None], landmarks.vertices.shape[1], axis=1).astype(np.int32)
    weights = np.zeros(corners.shape, np.float32)
    weights[:, 0] = 1
    return LandmarkSet(
        np.concatenate([landmarks.vertices, corners]), np.concatenate([landmarks.weights, weights])
    )


def as_teacher(network: nn.Module) -> nn.Module:
    """The network as it judges crops: nothing in it learns or counts batches any more."""
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return network.eval().requires_grad_(False)
