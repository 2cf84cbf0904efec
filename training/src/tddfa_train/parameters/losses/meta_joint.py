"""Meta-joint optimisation: look k steps ahead with each of two losses, keep the better branch."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

Loss = Callable[[nn.Module, dict[str, Tensor]], Tensor]


def _run(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: Loss,
    batches: Sequence[dict[str, Tensor]],
    clip_norm: float,
) -> None:
    for batch in batches:
        optimizer.zero_grad(set_to_none=True)
        loss(network, batch).backward()
        norm = nn.utils.clip_grad_norm_(network.parameters(), clip_norm)
        if torch.isfinite(norm):
            optimizer.step()


def meta_joint_round(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    branches: Sequence[Loss],
    judge: Loss,
    batches: Sequence[dict[str, Tensor]],
    held_out: dict[str, Tensor],
    *,
    clip_norm: float = 1.0,
) -> int:
    """Trains on the same batches with each loss from the same start; the network becomes the better branch.

    Args:
        network: changed in place.
        optimizer: changed in place; momentum travels with the branch.
        branches: the losses, fWPDC and VDC in the paper.
        judge: what is measured on the held-out batch, VDC in the paper.
        batches: the k batches of this round.
        held_out: decides; a branch that ends in no finite value loses.
        clip_norm: largest gradient norm.

    Returns:
        Index of the branch that was kept.

    Source: Guo et al., ECCV 2020, algorithm 1.
    """
    start = (copy.deepcopy(network.state_dict()), copy.deepcopy(optimizer.state_dict()))
    best: tuple[float, int, tuple[Any, Any]] | None = None
    for index, loss in enumerate(branches):
        if index:
            network.load_state_dict(start[0])
            optimizer.load_state_dict(copy.deepcopy(start[1]))
        _run(network, optimizer, loss, batches, clip_norm)
        was_training = network.training
        network.eval()
        with torch.no_grad():
            value = float(judge(network, held_out))
        network.train(was_training)
        if value == value and (best is None or value < best[0]):
            best = (
                value,
                index,
                (copy.deepcopy(network.state_dict()), copy.deepcopy(optimizer.state_dict())),
            )
    if best is None:
        network.load_state_dict(start[0])
        optimizer.load_state_dict(start[1])
        return -1
    network.load_state_dict(best[2][0])
    optimizer.load_state_dict(best[2][1])
    return best[1]
