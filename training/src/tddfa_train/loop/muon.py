"""Muon: momentum made orthogonal, for matrices and convolutions; AdamW for everything else.

Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024 (Newton-Schulz
coefficients); Liu et al., "Muon is Scalable for LLM Training", 2025, section 2.2 (size of the update).
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from tddfa_train.loop.precision import has_bfloat16

_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
_ROUNDS = 5
_ADAM_RMS = 0.2  # what AdamW's updates have on average: one learning rate serves both


def orthogonalized(matrix: Tensor) -> Tensor:
    """Return the nearest matrix with singular values near 1, by five Newton-Schulz rounds."""
    a, b, c = _NEWTON_SCHULZ
    wide = matrix.shape[0] <= matrix.shape[1]
    x = matrix if wide else matrix.T
    x = x / (x.norm() + 1e-7)
    if has_bfloat16(matrix.device.type):
        x = x.bfloat16()  # the rounds forgive eight bits
    for _ in range(_ROUNDS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x if wide else x.T).to(matrix.dtype)


class Muon(torch.optim.Optimizer):
    """Muon for weights with at least two axes, AdamW for the others.

    Args:
        matrices: weights of hidden layers; a convolution counts as one row an output channel.
        others: everything else.
        lr: learning rate of both.
        weight_decay: of the matrices and of those others that have two axes.
        momentum: of the matrices.
        betas: of AdamW.
    """

    def __init__(
        self,
        matrices: Iterable[nn.Parameter],
        others: Iterable[nn.Parameter],
        *,
        lr: float,
        weight_decay: float,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.99),
    ):
        groups = [{"params": list(matrices), "muon": True}, {"params": list(others), "muon": False}]
        super().__init__(
            groups, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "betas": betas}
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take a step."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    (self._matrix_step if group["muon"] else self._adam_step)(parameter, group)

    def _matrix_step(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        gradient = parameter.grad
        assert gradient is not None
        state["momentum"].lerp_(gradient, 1 - group["momentum"])
        update = gradient.lerp(state["momentum"], group["momentum"])
        flat = orthogonalized(update.reshape(len(update), -1))
        size = _ADAM_RMS * max(flat.shape) ** 0.5
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(flat.reshape(update.shape), alpha=-group["lr"] * size)

    def _adam_step(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(())
            state["mean"], state["square"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        gradient = parameter.grad
        assert gradient is not None
        state["step"] += 1
        first, second = group["betas"]
        state["mean"].lerp_(gradient, 1 - first)
        state["square"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
        step = float(state["step"])
        mean = state["mean"] / (1 - first**step)
        spread = (state["square"] / (1 - second**step)).sqrt() + 1e-8
        if parameter.ndim > 1:
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.addcdiv_(mean, spread, value=-group["lr"])
