"""The optimisers there are."""

import torch
from torch import nn

from tddfa.errors import InputError
from tddfa_train.loop.muon import Muon
from tddfa_train.loop.schedule import LoopConfig

_HEADS = "head", "points", "embedding"


def make_optimizer(network: nn.Module, config: LoopConfig) -> torch.optim.Optimizer:
    """Make the optimiser; norms and biases do not decay.

    Raises:
        InputError: there is no such optimiser.
    """
    if config.optimizer == "muon":
        # The first layer sees pixels and the heads decide numbers of different units: they stay with AdamW.
        # Heads that only train are large besides: orthogonal updates of them take long.
        named = [(name, p) for name, p in network.named_parameters() if p.ndim > 1]
        hidden = [p for name, p in named[1:] if name.split(".")[0] not in _HEADS]
        chosen = {id(p) for p in hidden}
        others = [p for p in network.parameters() if id(p) not in chosen]
        return Muon(hidden, others, lr=config.learning_rate, weight_decay=config.weight_decay)
    if config.optimizer != "adamw":
        raise InputError(f"no optimizer named {config.optimizer!r}; there are: adamw, muon")
    decay = [p for p in network.parameters() if p.ndim > 1]
    plain = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": decay, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)
