"""Losses together: vanilla joint and landmark-regression regularisation."""

from jaxtyping import Float
from torch import Tensor


def balanced(main: Float[Tensor, ""], other: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """`other` scaled, without a gradient through the scale, to be as large as `main`."""
    return other * (main.detach() / other.detach().clamp(min=1e-12))


def vanilla_joint(
    parameter_cost: Float[Tensor, ""], vertex_cost: Float[Tensor, ""], share: float = 0.5
) -> Float[Tensor, ""]:
    """FWPDC and VDC in one sum, both equally large.

    Source: Guo et al., ECCV 2020, section 2.2.
    """
    return share * parameter_cost + (1 - share) * balanced(parameter_cost, vertex_cost)
