"""A network of close-ups learns the features of a larger one from the same views; its heads stay."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import smooth_l1_loss

from tddfa_train.expressions.network import CloseUpNetwork
from tddfa_train.expressions.task import first_answer
from tddfa_train.landmarks.task import network_input

_LEAST_SPREAD = 0.2  # of a number, in parts of the mean one: what hardly varies counts no more than others


@dataclass(frozen=True, slots=True)
class CloseUpDistillationConfig:
    """Weights of the terms.

    Attributes:
        features: of the difference of the views' features, each in units of how much the teacher's vary.
        numbers: of the difference of the heads' outputs.
    """

    features: float = 1.0
    numbers: float = 1.0


@dataclass(frozen=True, slots=True)
class CloseUpDistillationTask:
    """The distance to the features and outputs of a teacher; labels are not read.

    Attributes:
        config: weights.
        teacher: does not change.
    """

    config: CloseUpDistillationConfig
    teacher: CloseUpNetwork

    def losses(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """See `tddfa_train.loop.task.Task`."""
        assert isinstance(network, CloseUpNetwork)
        first, views = first_answer(batch), network_input(batch["crop"])
        own = network.seen(views).float()
        with torch.no_grad():
            taught = self.teacher.seen(views).float()
        with torch.autocast(views.device.type, enabled=False):
            numbers, right = (
                [net.head(net.joined(seen, first)), *([] if net.person is None else [net.person(seen)])]
                for net, seen in ((network, own), (self.teacher, taught))
            )
            apart = [_spread_distance(a, b) for a, b in zip(numbers, right, strict=True)]
            return {
                "features": self.config.features * _spread_distance(own, taught),
                "numbers": self.config.numbers * torch.stack(apart).sum(),
            }


def _spread_distance(values: Tensor, taught: Tensor) -> Tensor:
    """Smooth L1 between rows of numbers, each in units of how much the taught ones vary."""
    spread = taught.std(0)
    spread = spread.clamp(min=_LEAST_SPREAD * float(spread.mean()) + 1e-6)
    return smooth_l1_loss(values / spread, taught / spread)
