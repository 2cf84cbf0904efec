"""A detector learns the outputs of another one for the same images, in every cell."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, smooth_l1_loss

from tddfa_train.detector.network import FaceDetector, LevelOutput
from tddfa_train.detector.task import DetectorTask
from tddfa_train.landmarks.task import network_input

_DOUBT = -4.5  # logit from which a cell is compared closely: a doubtful face, or a clearer one
_LARGEST_LOGIT = 6.0  # beyond it both are sure, and how sure does not count
_BOX_LOGIT = -3.5  # from which its box is compared


@dataclass(frozen=True, slots=True)
class DetectorDistillationConfig:
    """Weights of the terms.

    Attributes:
        logits: of the difference of logits in cells where either detector is in doubt.
        scores: of the cross-entropy in all cells.
        sides: of the difference of the boxes' sides, as logarithms.
        labels: of the terms of the labels; 0: nothing but the teacher is learned from.
    """

    logits: float = 1.0
    scores: float = 0.5
    sides: float = 4.0
    labels: float = 0.0


@dataclass(frozen=True, slots=True)
class DetectorDistillationTask:
    """The distance to the outputs of a teacher, plus terms of the labels.

    Attributes:
        config: weights.
        teacher: does not change.
        labels: the task without a teacher.
    """

    config: DetectorDistillationConfig
    teacher: FaceDetector
    labels: DetectorTask

    def losses(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """See `tddfa_train.loop.task.Task`."""
        assert isinstance(network, FaceDetector)
        images = network_input(batch["image"])
        with torch.no_grad():
            taught = self.teacher.raw_levels(images)
        logits, scores, sides = torch.zeros(()), torch.zeros(()), torch.zeros(())
        n_doubted, n_faces = torch.zeros(()), torch.zeros(())
        levels = network.raw_levels(images)
        for answered, right in zip(levels, taught, strict=True):
            own, true = answered[:, 0], right[:, 0]
            doubted = (own.detach() > _DOUBT) | (true > _DOUBT)
            limits = -_LARGEST_LOGIT, _LARGEST_LOGIT
            apart = smooth_l1_loss(own.clamp(*limits), true.clamp(*limits), reduction="none")
            logits = logits + (apart * doubted).sum()
            n_doubted = n_doubted + doubted.sum()
            # Less the teacher's own entropy, which remains when both agree: 0 then.
            soft = torch.sigmoid(true)
            cross = binary_cross_entropy_with_logits(own, soft, reduction="sum")
            scores = scores + cross - binary_cross_entropy_with_logits(true, soft, reduction="sum")
            weight = torch.sigmoid(true + 1.5) * (true > _BOX_LOGIT)
            sides = sides + ((answered[:, 1:] - right[:, 1:]).abs().mean(1) * weight).sum()
            n_faces = n_faces + weight.sum()
        n_doubted, n_faces = n_doubted.clamp(min=1), n_faces.clamp(min=1)
        terms: dict[str, Tensor] = {}
        if self.config.labels:
            labels = self.labels.compare([LevelOutput.of(raw) for raw in levels], batch["boxes"])
            terms = {f"label {name}": self.config.labels * term for name, term in labels.items()}
        return terms | {
            "logits": self.config.logits * logits / n_doubted,
            "scores": self.config.scores * scores / n_faces,
            "sides": self.config.sides * sides / n_faces,
        }
