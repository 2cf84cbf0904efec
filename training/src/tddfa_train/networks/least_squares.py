"""Convolutions fitted to given outputs, and the channels of a map that count most."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

_MOST_PLACES = 120_000  # of maps that a convolution is fitted on
_DECAY = 1e-4  # of the fit, in parts of the mean square of what it reads


@torch.no_grad()
def fitted(
    convolution: nn.Conv2d, maps: Float[Tensor, "b c h w"], answers: Float[Tensor, "b o y x"]
) -> tuple[Float[Tensor, "o c k k"], Float[Tensor, " o"]]:
    """Return the weight and bias of a convolution fitted to given outputs by least squares.

    Args:
        convolution: has the size, stride and padding; its numbers of channels do not count.
        maps: what it reads.
        answers: its outputs, before any activation.
    """
    size, stride, padding = convolution.kernel_size[0], convolution.stride[0], int(convolution.padding[0])
    read = nn.functional.unfold(maps, size, padding=padding, stride=stride).transpose(1, 2).flatten(0, 1)
    given = answers.flatten(2).transpose(1, 2).flatten(0, 1)
    some = torch.randperm(len(read), generator=torch.Generator().manual_seed(0))[:_MOST_PLACES]
    known = nn.functional.pad(read[some], (0, 1), value=1.0).double()
    gram = known.T @ known
    gram += _DECAY * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    fit = torch.linalg.solve(gram, known.T @ given[some].double()).float()
    return fit[:-1].T.reshape(answers.shape[1], maps.shape[1], size, size).contiguous(), fit[-1]


def effect(maps: Float[Tensor, "b c h w"], *readers: nn.Conv2d) -> Float[Tensor, " c"]:
    """Return how much each channel counts for the convolutions that read it: its size times their norm."""
    weights = torch.cat([reader.weight.transpose(0, 1).flatten(1) for reader in readers], 1)
    return maps.square().mean((0, 2, 3)).sqrt() * weights.norm(dim=1)


def strongest(values: Float[Tensor, " c"], count: int) -> Int64[Tensor, " n"]:
    """Return the indices of the largest values, in their order; of all where there are fewer."""
    return values.topk(min(count, len(values))).indices.sort().values


def convolution_of(layers: nn.Module) -> nn.Conv2d:
    """Return the convolution of a layer of `tddfa_train.networks.dense.conv`."""
    assert isinstance(layers, nn.Sequential)
    convolution = layers[0]
    assert isinstance(convolution, nn.Conv2d)
    return convolution
