"""How long, how fast and how often a network is trained."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class LoopConfig:
    """How long, how fast, how often."""

    n_steps: int
    learning_rate: float = 2e-3
    final_share: float = 0.02  # the cosine ends at this share of the learning rate
    warmup_steps: int = 300
    weight_decay: float = 1e-3  # on convolution and linear weights only
    clip_norm: float = 1.0
    average_decay: float = 0.999  # of the weights that are evaluated and exported
    log_every: int = 50
    save_every: int = 500
    evaluate_every: int = 3000
    workers: int = 1
    threads: int = 0  # of the network; 0: one for each core that the workers leave, at least one
    share_cores: bool = False  # one thread less for each core that other processes keep busy
    bf16: bool = True  # where the device computes it
    optimizer: str = "adamw"  # or "muon"
    look_ahead: int = 0  # batches of a meta-joint round; 0: every batch is one step

    RANGES: ClassVar[Mapping[str, tuple[float, float]]] = {
        **dict.fromkeys(("n_steps", "log_every", "save_every", "evaluate_every"), (1, math.inf)),
        **dict.fromkeys(("warmup_steps", "workers", "threads", "look_ahead"), (0, math.inf)),
        **dict.fromkeys(("learning_rate", "weight_decay", "clip_norm"), (0, math.inf)),
        **dict.fromkeys(("final_share", "average_decay"), (0, 1)),
    }


def n_threads(config: LoopConfig) -> int:
    """Threads of the network: its threads wait for one another, so none may wait for a worker's core."""
    return config.threads or max(1, (os.cpu_count() or 1) - config.workers)


def learning_rate_at(step: int, config: LoopConfig) -> float:
    """Linear warm-up, then a cosine down to `final_share`."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, config.n_steps - config.warmup_steps)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return config.learning_rate * (config.final_share + (1 - config.final_share) * cosine)
