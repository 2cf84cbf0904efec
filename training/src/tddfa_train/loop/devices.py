"""Where tensors live: a task goes where its network goes."""

import dataclasses
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

T = TypeVar("T")


def on_device(task: T, device: str | torch.device) -> T:
    """A copy of a task (or anything that is a dataclass) with all its tensors and modules on a device."""
    if not dataclasses.is_dataclass(task) or isinstance(task, type):
        return task
    moved: dict[str, Any] = {}
    for field in dataclasses.fields(task):
        value = getattr(task, field.name)
        if isinstance(value, Tensor | nn.Module):
            moved[field.name] = value.to(device)
        elif dataclasses.is_dataclass(value):
            moved[field.name] = on_device(value, device)
    return dataclasses.replace(task, **moved)


def device_of(network: nn.Module) -> torch.device:
    """Where a network's weights are."""
    return next(network.parameters()).device
