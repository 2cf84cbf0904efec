"""The mean of a network's weights over its last steps."""

import torch
from torch import nn


class WeightAverage:
    """Exponential average of a network's weights; shorter memory at the start."""

    def __init__(self, network: nn.Module, decay: float):
        self.decay = decay
        self.state = {key: value.detach().clone() for key, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Takes in the weights after a step."""
        decay = min(self.decay, (step + 1) / (step + 10))
        averaged, current = [], []
        for key, value in network.state_dict().items():
            if value.is_floating_point():
                averaged.append(self.state[key])
                current.append(value)
            else:
                self.state[key].copy_(value)
        for mine, new in zip(averaged, current, strict=True):
            mine.lerp_(new, 1 - decay)
