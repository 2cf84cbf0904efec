"""Prune a dense trunk: weights for a smaller one, from which training starts."""

from collections.abc import Iterator, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from tddfa_train.networks.dense import DenseConfig, DenseNet, ResidualBlock
from tddfa_train.networks.least_squares import convolution_of, effect, fitted, strongest

_BODY = "body."


@torch.no_grad()
def pruned(
    weights: Mapping[str, Tensor],
    larger: DenseConfig,
    smaller: DenseConfig,
    crops: Float[Tensor, "b 3 s s"],
    prefix: str = "trunk.",
) -> dict[str, Tensor]:
    """Return the weights of a network with a large trunk as one with a smaller trunk can take them.

    Of each size of maps the last blocks are left out. Of blocks that are narrower within, the channels stay
    that count most on the crops, and the second convolution is fitted anew, so that the block adds nearly
    the same.

    Args:
        weights: of a network whose trunk has no batch norms.
        larger: its trunk.
        smaller: the other trunk, of the same widths.
        crops: as the network takes them; a few hundred of training.
        prefix: of the trunk's weights.

    Returns:
        Weights under the smaller trunk's names; where the two disagree in more than blocks, their shapes do.
    """
    trunk = DenseNet(larger).eval()
    trunk.load_state_dict(
        {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
    )
    names = {part: number for number, part in enumerate(_parts(smaller))}
    inner = smaller.inner or (0,) * len(smaller.widths)
    out = {key: value for key, value in weights.items() if not key.startswith(prefix + _BODY)}
    maps = crops
    for (stage, block), layer in zip(_parts(larger), trunk.body, strict=True):
        if (stage, block) in names:
            state = layer.state_dict()
            if isinstance(layer, ResidualBlock) and inner[stage]:
                state = narrowed(layer, maps, inner[stage])
            number = names[stage, block]
            out |= {f"{prefix}{_BODY}{number}.{key}": value for key, value in state.items()}
        maps = layer(maps)
    return out


def _parts(config: DenseConfig) -> Iterator[tuple[int, int | None]]:
    """Yield size of maps and block of each part of a body; None for the convolution that halves them."""
    for stage, count in enumerate(config.blocks):
        yield stage, None
        yield from ((stage, block) for block in range(count))


@torch.no_grad()
def narrowed(block: ResidualBlock, maps: Float[Tensor, "b c h w"], channels: int) -> dict[str, Tensor]:
    """Return a block's weights with fewer channels within, so that it adds as nearly the same as they can.

    Args:
        block: without batch norms.
        maps: what it reads.
        channels: within.
    """
    first, second = convolution_of(block.first), convolution_of(block.second)
    within = block.first(maps)
    size = effect(within, second)
    kept = strongest(size, channels)
    weight, bias = fitted(second, within[:, kept], block.second(within))
    assert first.bias is not None, "batch norms are folded"
    return {
        "first.0.weight": first.weight[kept],
        "first.0.bias": first.bias[kept],
        "second.0.weight": weight,
        "second.0.bias": bias,
    }
