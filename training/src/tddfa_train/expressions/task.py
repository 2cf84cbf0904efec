"""Losses of the close-ups' network: those of the alignment networks, and the movement of the face itself."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from tddfa_train.alignment.task import AlignmentTask
from tddfa_train.expressions.network import FirstAnswer
from tddfa_train.landmarks.task import network_input
from tddfa_train.point_model import PointModel, project

_POINT_PX = 4.0
"""Unit of the points that are read without the model."""


def first_answer(batch: dict[str, Tensor]) -> FirstAnswer:
    """Take the first answer out of a batch."""
    return FirstAnswer(batch["first_camera"], batch["first_identity"], batch["first_expression"])


@dataclass(frozen=True, slots=True)
class CloseUpTask:
    """The losses of `AlignmentTask`, and L1 on how far each point moves from rest, mm.

    Points in the image mix the errors of camera, identity and expression; movement in the model frame is the
    expression's alone, and what people see of it.

    Attributes:
        compare: the losses of an answer.
        movement: weight of the movement.
        shown: points of the movement; also those that a second head reads while training.
        embedding: weight of what tells people apart in another network.
    """

    alignment: AlignmentTask
    movement: float
    shown: PointModel
    embedding: float = 0.0

    def losses(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """See `tddfa_train.loop.task.Task`."""
        first = first_answer(batch)
        views = network_input(batch["crop"])
        feature = network.feature(views, first)  # pyright: ignore[reportCallIssue]
        with torch.autocast(views.device.type, enabled=False):
            face = network.decode(network.head(feature), first)  # pyright: ignore
            weights = face.weights()
            resting = self.shown.shape(batch["identity"], torch.zeros_like(weights))
            offset = network.points(feature).view(len(weights), -1, 2)  # pyright: ignore
            start = project(first.camera, self.shown.shape(first.identity, torch.zeros_like(weights)))
            face = replace(face, points=start[..., :2].detach() + _POINT_PX * offset)
            moved = self.shown.shape(batch["identity"], weights) - resting
            truth = self.shown.shape(batch["identity"], batch["expression"]) - resting
            error = (moved - truth).abs().sum(2)
            # What does not move counts as well, but less than all of it together.
            size = truth.abs().sum(2)
            error = (error * (0.5 + size)).mean(1) / (0.5 + size.mean(1))
            fitted = batch["fit_weight"]
            movement = (error * fitted).sum() / fitted.sum().clamp(min=1.0)
            terms = self.alignment.compare(face, batch) | {"movement": self.movement * movement}
            return terms | self._person(network, feature, batch)

    def _person(self, network: nn.Module, feature: Tensor, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the loss of what tells people apart, over the faces of which it is known."""
        if not self.embedding:
            return {}
        head = network.embedding
        assert isinstance(head, nn.Linear)
        known = torch.isfinite(batch["embedding"]).all(1)
        error = head(feature[known, -head.in_features :]) - batch["embedding"][known]
        return {"embedding": self.embedding * error.square().sum() / max(error.numel(), 1)}
