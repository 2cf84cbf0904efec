"""Networks that read the bytes of an image as they lie in memory.

Turning an image into planes of floats takes as long as a tenth of a small network. Here a row of pixels is
read as a row of wider cells instead, one for each step of the first convolution: the same bytes in the same
order, so nothing is copied.
"""

import copy

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from tddfa_train.landmarks.task import BYTE_MEAN, BYTE_RANGE

MIDDLE = 128.0
"""What is subtracted from each byte: around the middle of an image's values, and a byte itself, so that a
convolution on integers can subtract it exactly."""


class ByteConvolution(nn.Module):
    """A convolution of what `network_input` makes of bytes, rewritten for the bytes themselves.

    At the border it sees `MIDDLE`, half a byte from what the original sees.

    Args:
        original: square, with the same stride and padding in both directions.
        size: height and width of the images, if all are of one size: the exported graph is simpler.
    """

    def __init__(self, original: nn.Conv2d, size: tuple[int, int] | None = None):
        super().__init__()
        self.size = size
        kernel, step, pad = original.kernel_size[0], original.stride[0], int(original.padding[0])
        outputs, channels = original.weight.shape[:2]
        self.step = step
        # Column x of the kernel lies in cell (x − pad) // step, counted from the output's own one.
        first, last = -pad // step, (kernel - 1 - pad) // step
        weight = original.weight.detach() / BYTE_RANGE
        cells = torch.zeros(outputs, kernel, last - first + 1, step, channels)
        for x in range(kernel):
            cell, within = divmod(x - pad, step)
            cells[:, :, cell - first, within] = weight[..., x].permute(0, 2, 1)
        self.convolution = nn.Conv2d(
            step * channels, outputs, (kernel, last - first + 1), stride=(original.stride[0], 1)
        )
        self.convolution.weight = nn.Parameter(cells.flatten(3).permute(0, 3, 1, 2).contiguous())
        shift = weight.sum((1, 2, 3)) * (MIDDLE - BYTE_MEAN)
        self.convolution.bias = nn.Parameter(
            shift if original.bias is None else shift + original.bias.detach()
        )
        self.padding = nn.ConstantPad2d((-first, last, pad, pad), 0.0)

    def forward(self, images: UInt8[Tensor, "b h w c"]) -> Float[Tensor, "b o y x"]:
        """The map; w is a multiple of the stride."""
        channels = self.convolution.in_channels
        if self.size is None:
            cells = images.reshape(len(images), images.shape[1], -1, channels)
        else:
            cells = images.reshape(-1, self.size[0], self.size[1] // self.step, channels)
        return self.convolution(self.padding(cells.permute(0, 3, 1, 2).float() - MIDDLE))


def reading_bytes(network: nn.Module, size: tuple[int, int] | None = None) -> nn.Module:
    """A copy of a network, its first convolution reading bytes, in float32 on the CPU and fixed.

    Args:
        network: takes what `network_input` makes of bytes.
        size: as in `ByteConvolution`.
    """
    network = copy.deepcopy(network).cpu().float().eval()
    name = next(key for key, module in network.named_modules() if isinstance(module, nn.Conv2d))
    parent, _, child = name.rpartition(".")
    original = network.get_submodule(name)
    assert isinstance(original, nn.Conv2d)
    setattr(network.get_submodule(parent), child, ByteConvolution(original, size))
    return network
