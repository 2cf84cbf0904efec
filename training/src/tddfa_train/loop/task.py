"""What a network is trained for, and with."""

from collections.abc import Mapping, Sequence, Sized
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from tddfa_train.parameters.losses.meta_joint import Loss


class Task(Protocol):
    """What a network is trained for."""

    def losses(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Weighted loss terms; their sum is minimised."""
        ...


@runtime_checkable
class TaskWithBranches(Protocol):
    """A task for meta-joint optimisation."""

    def branches(self) -> Sequence[Loss]:
        """The losses to choose between."""
        ...

    def judge(self, network: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        """What the better branch is smaller in."""
        ...


class StepData(Sized, Protocol):
    """Batches by step number."""

    def __getitem__(self, step: int) -> Mapping[str, Any]: ...


class SameBatch:
    """The first batch at every step: a network that cannot learn it cannot learn anything."""

    def __init__(self, data: StepData):
        self.batch, self.n_steps = data[0], len(data)

    def __len__(self) -> int:
        return self.n_steps

    def __getitem__(self, step: int) -> Mapping[str, Any]:
        return self.batch
