"""Prune a network of close-ups: weights for narrower blocks, from which training starts."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from tddfa_train.expressions.network import VIEWS, CloseUpConfig, CloseUpNetwork, View
from tddfa_train.networks.dense import ResidualBlock, folded
from tddfa_train.networks.least_squares import convolution_of
from tddfa_train.networks.pruning import narrowed


@torch.no_grad()
def pruned_closeups(
    weights: Mapping[str, Tensor], network: CloseUpNetwork, closeups: Float[Tensor, "b 3 h w"]
) -> dict[str, Tensor]:
    """Return weights for a network of close-ups with narrower blocks; what follows the blocks stays.

    Batch norms are folded into the convolutions. Of each block the channels stay that count most on the
    close-ups, and its second convolution is fitted so that it adds as nearly the same as it can.

    Args:
        weights: of the wider network.
        network: the narrower one, without batch norms.
        closeups: as networks take them; a few hundred of training.
    """
    plain = folded(dict(weights))
    wide = network.config.with_blocks_of(plain)
    views = network.split(closeups)
    out = dict(plain)
    for name in VIEWS:
        teach, learn = View(wide, _size(network.config, name)), network.view(name)
        assert isinstance(learn, View)
        teach.load_state_dict(_weights_of(plain, f"{name}."))
        maps = views[name]
        for number, (layer, small) in enumerate(zip(teach.body, learn.body, strict=True)):
            if isinstance(layer, ResidualBlock) and isinstance(small, ResidualBlock):
                channels = convolution_of(small.first).out_channels
                if channels != convolution_of(layer.first).out_channels:
                    state = narrowed(layer, maps, channels)
                    out |= {f"{name}.body.{number}.{key}": value for key, value in state.items()}
            maps = layer(maps)
    return out


def _size(config: CloseUpConfig, name: str) -> tuple[int, int]:
    return {"eyes": config.eyes_size, "mouth": config.mouth_size, "face": config.face_size}[name]


def _weights_of(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
