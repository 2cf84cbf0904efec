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

_DOUBT = -7.0, 9.0  # log-odds within which a teacher has one
_LEAST_SPREAD = 1e-3  # coefficients that never change differ by rounding


@dataclass(frozen=True, slots=True)
class DistillationLossConfig:
    """Weights of the terms, and how the teacher looks.

    Attributes:
        labels: of all terms of the labels.
        surface: of the distance to the teacher's points.
        coefficients: of the differences of camera, identity and expression, each in units of how much the
            teacher's vary. Points leave open much of what a smaller network can take over.
        confidence: of being as sure as the teacher.
        log_odds: of the difference of the log-odds, where the teacher has a doubt: the confidence of what it
            refuses says little about how clearly it does.
        mirrored: whether the teacher sees each crop in a mirror, too.
    """

    labels: float = 0.5
    surface: float = 1.0
    coefficients: float = 0.0
    confidence: float = 0.05
    log_odds: float = 0.0
    mirrored: bool = True


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
        taught, coefficients, trust = self.answer(crops)
        # What the teacher itself takes for no face, it has nothing to say about.
        weight = torch.sigmoid(trust) * batch["is_face"]
        terms["surface"] = self.config.surface * surface_distance(shown, taught, weight) / half
        unsure = nn.functional.binary_cross_entropy_with_logits(face.confidence, torch.sigmoid(trust))
        terms["confidence"] = terms["confidence"] + self.config.confidence * unsure
        if self.config.coefficients:
            terms["coefficients"] = self.config.coefficients * _spread_distance(
                _coefficients(face), coefficients, weight
            )
        if self.config.log_odds:
            low, high = _DOUBT
            doubt = nn.functional.smooth_l1_loss(face.confidence.clamp(low, high), trust.clamp(low, high))
            terms["log-odds"] = self.config.log_odds * doubt
        return terms

    @torch.no_grad()
    def answer(
        self, crops: Float[Tensor, "b 3 s s"]
    ) -> tuple[Float[Tensor, "b points 3"], Float[Tensor, "b c"], Float[Tensor, " b"]]:
        """The teacher's points, px of the crops, its coefficients, and the log-odds of its confidence."""
        teacher = self.teacher
        assert teacher is not None
        answers: list[FaceOutput] = [teacher(crops)]
        if self.mirror is not None and self.config.mirrored:
            answers.append(self.mirror(teacher(crops.flip(3)), crops.shape[3]))
        points = [self.points(each.camera, each.identity, each.weights()) for each in answers]
        return (
            torch.stack(points).mean(0),
            torch.stack([_coefficients(each) for each in answers]).mean(0),
            torch.stack([each.confidence for each in answers]).mean(0),
        )


def _coefficients(face: FaceOutput) -> Float[Tensor, "b c"]:
    """Camera, identity and expression in a row; the third row of the camera follows from the others."""
    return torch.cat([face.camera[:, :2].flatten(1), face.identity, face.expression], 1)


def _spread_distance(
    coefficients: Float[Tensor, "b c"], taught: Float[Tensor, "b c"], weight: Float[Tensor, " b"]
) -> Tensor:
    """Weighted smooth L1 between coefficients, each in units of how much the taught ones vary."""
    error = (coefficients - taught) / taught.std(0).clamp(min=_LEAST_SPREAD)
    each = nn.functional.smooth_l1_loss(error, torch.zeros_like(error), reduction="none").mean(1)
    return (each * weight).sum() / weight.sum().clamp(min=1.0)


def as_teacher(network: nn.Module) -> nn.Module:
    """The network as it judges crops: nothing in it learns or counts batches any more."""
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return network.eval().requires_grad_(False)
