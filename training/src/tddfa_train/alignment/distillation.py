"""A network learns from labels and from what another one says of the same faces.

A label says where 68 points lie; the teacher answers with the whole face, and without the label's own noise.
It answers while training, on the same degraded crops: once, or a second time in a mirror, and who learns the
mean of both needs no mirror. Or it has answered before, on clean images and many looks at each of them
(`tddfa_train.data.relabel`): then who learns sees worse images than the teacher did, and costs less.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tddfa_train.alignment.mirror import Mirror
from tddfa_train.alignment.network import FaceOutput
from tddfa_train.alignment.task import AlignmentTask, surface_distance
from tddfa_train.landmarks.task import network_input
from tddfa_train.point_model import PointModel


@dataclass(frozen=True, slots=True)
class DistillationLossConfig:
    """Weights of the terms, and how the teacher looks."""

    labels: float = 0.5  # of all terms of the labels
    surface: float = 1.0
    confidence: float = 0.05
    mirrored: bool = True  # the teacher sees each crop in a mirror, too


@dataclass(frozen=True, slots=True)
class DistillationTask:
    """Terms of the labels, plus the distance to the teacher's face.

    Attributes:
        config: weights.
        labels: the task without a teacher.
        points: what is compared.
        teacher: an `AlignmentNetwork` of the same face model, which does not change; None: its answers are
            the labels `surface` of the batch.
        mirror: of the face model; None: the teacher looks once, whatever the config says.
    """

    config: DistillationLossConfig
    labels: AlignmentTask
    points: PointModel
    teacher: nn.Module | None = None
    mirror: Mirror | None = None

    def losses(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """See `tddfa_train.loop.task.Task`."""
        crops = network_input(batch["crop"])
        face: FaceOutput = network(crops)
        terms = {name: self.config.labels * term for name, term in self.labels.compare(face, batch).items()}
        shown = self.points(face.camera, face.identity, face.weights())
        half = batch["crop"].shape[1] / 2
        if self.teacher is None:
            taught = batch["surface"]
            weight = torch.isfinite(taught).all(2).all(1) * batch["is_face"]
            terms["surface"] = (
                self.config.surface * surface_distance(shown, taught.nan_to_num(), weight) / half
            )
            return terms
        taught, trust = self.answer(crops)
        # What the teacher itself takes for no face, it has nothing to say about.
        weight = torch.sigmoid(trust) * batch["is_face"]
        terms["surface"] = self.config.surface * surface_distance(shown, taught, weight) / half
        unsure = nn.functional.binary_cross_entropy_with_logits(face.confidence, torch.sigmoid(trust))
        terms["confidence"] = terms["confidence"] + self.config.confidence * unsure
        return terms

    @torch.no_grad()
    def answer(
        self, crops: Float[Tensor, "b 3 s s"]
    ) -> tuple[Float[Tensor, "b points 3"], Float[Tensor, " b"]]:
        """The teacher's points, px of the crops, and the logit of its confidence."""
        teacher = self.teacher
        assert teacher is not None
        predicted: FaceOutput = teacher(crops)
        points = self.points(predicted.camera, predicted.identity, predicted.weights())
        if self.mirror is None or not self.config.mirrored:
            return points, predicted.confidence
        again = self.mirror(teacher(crops.flip(3)), crops.shape[3])
        points = (points + self.points(again.camera, again.identity, again.weights())) / 2
        return points, (predicted.confidence + again.confidence) / 2


def as_teacher(network: nn.Module) -> nn.Module:
    """The network as it judges crops: nothing in it learns or counts batches any more."""
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return network.eval().requires_grad_(False)
