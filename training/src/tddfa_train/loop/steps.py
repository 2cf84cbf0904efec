"""One step of the optimiser: by one loss, or by the better of two."""

import torch
from torch import Tensor, nn

from tddfa.errors import InputError
from tddfa_train.loop.precision import has_bfloat16
from tddfa_train.loop.schedule import LoopConfig
from tddfa_train.loop.task import Task, TaskWithBranches
from tddfa_train.parameters.losses.meta_joint import meta_joint_round


def plain_step(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    task: Task,
    batch: dict[str, Tensor],
    config: LoopConfig,
) -> tuple[dict[str, Tensor], bool]:
    """The loss terms of a batch, and whether the step could be taken."""
    kind = next(iter(batch.values())).device.type
    with torch.autocast(kind, torch.bfloat16, enabled=config.bf16 and has_bfloat16(kind)):
        terms = task.losses(network, batch)
    loss = torch.stack([term.float() for term in terms.values()]).sum()
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(network.parameters(), config.clip_norm)
    finite = bool(torch.isfinite(norm))
    if finite:
        optimizer.step()
    return terms, finite


def meta_joint_step(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    task: Task,
    batches: list[dict[str, Tensor]],
    config: LoopConfig,
) -> tuple[dict[str, Tensor], bool]:
    """The branch that a meta-joint round kept, and whether it kept one."""
    if not isinstance(task, TaskWithBranches):
        raise InputError("look_ahead is for tasks with two losses to choose between; set it to 0")
    *shown, held_out = batches
    branch = meta_joint_round(
        network, optimizer, task.branches(), task.judge, shown, held_out, clip_norm=config.clip_norm
    )
    return {"branch": torch.tensor(float(branch))}, branch >= 0
