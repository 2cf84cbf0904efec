"""Start a smaller dense trunk from the weights of a larger one: what it lacks is left out."""

from collections.abc import Iterator, Mapping

import torch
from jaxtyping import Int
from torch import Tensor

from tddfa_train.networks.dense import DenseConfig

_BODY = "trunk.body."


def thinned(weights: Mapping[str, Tensor], larger: DenseConfig, smaller: DenseConfig) -> dict[str, Tensor]:
    """Return the weights of a network with a large trunk that one with a smaller trunk has as well.

    Of each halving the last blocks are left out, and of blocks that are narrower within the weakest channels.

    Args:
        weights: of a network whose trunk is called `trunk`, without batch norms.
        larger: its trunk.
        smaller: the other trunk, of the same widths.

    Returns:
        Weights under the smaller trunk's names; where the two disagree in more than blocks, their shapes do.
    """
    names = {part: number for number, part in enumerate(_parts(smaller))}
    kept = {str(number): names[part] for number, part in enumerate(_parts(larger)) if part in names}
    out: dict[str, Tensor] = {}
    for key, value in weights.items():
        number, _, rest = key.removeprefix(_BODY).partition(".")
        if not key.startswith(_BODY):
            out[key] = value
        elif number in kept:
            out[f"{_BODY}{kept[number]}.{rest}"] = value
    inner = smaller.inner or (0,) * len(smaller.widths)
    for (stage, block), number in names.items():
        if block is not None and inner[stage]:
            _narrow(out, f"{_BODY}{number}", inner[stage])
    return out


def _parts(config: DenseConfig) -> Iterator[tuple[int, int | None]]:
    """Yield stage and block of each part of a trunk's body; None for the convolution that halves."""
    for stage, count in enumerate(config.blocks):
        yield stage, None
        yield from ((stage, block) for block in range(count))


def _narrow(weights: dict[str, Tensor], block: str, channels: int) -> None:
    """Keep the channels within a block that weigh most, in their order."""
    first, second = f"{block}.first.0", f"{block}.second.0"
    into, out_of = weights[f"{first}.weight"], weights[f"{second}.weight"]
    strength = into.flatten(1).norm(dim=1) * out_of.transpose(0, 1).flatten(1).norm(dim=1)
    kept: Int[Tensor, " k"] = torch.topk(strength, min(channels, len(strength))).indices.sort().values
    weights[f"{first}.weight"], weights[f"{first}.bias"] = into[kept], weights[f"{first}.bias"][kept]
    weights[f"{second}.weight"] = out_of[:, kept]
