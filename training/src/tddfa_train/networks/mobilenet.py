"""MobileNetV1 of any width, laid out as in the checkpoints of 3DDFA_V2."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

# Output channels at width 1 and stride of each depthwise-separable block.
# Source: Howard et al., "MobileNets", 2017, table 1.
_BLOCKS: tuple[tuple[str, int, int], ...] = (
    ("dw2_1", 64, 1),
    ("dw2_2", 128, 2),
    ("dw3_1", 128, 1),
    ("dw3_2", 256, 2),
    ("dw4_1", 256, 1),
    ("dw4_2", 512, 2),
    ("dw5_1", 512, 1),
    ("dw5_2", 512, 1),
    ("dw5_3", 512, 1),
    ("dw5_4", 512, 1),
    ("dw5_5", 512, 1),
    ("dw5_6", 1024, 2),
    ("dw6", 1024, 1),
)


class _Separable(nn.Module):
    """Depthwise 3x3, then pointwise; both with batch norm and ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv_dw = nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False)
        self.bn_dw = nn.BatchNorm2d(inputs)
        self.conv_sep = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn_sep = nn.BatchNorm2d(outputs)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        return torch.relu(self.bn_sep(self.conv_sep(torch.relu(self.bn_dw(self.conv_dw(x))))))


class MobileNetV1(nn.Module):
    """Trunk: a crop becomes one feature vector, the mean over the last map.

    Args:
        width: 1, 0.75 and 0.5 are the sizes of 3DDFA_V2.
    """

    def __init__(self, width: float = 1.0):
        super().__init__()
        self.conv1 = nn.Conv2d(3, int(32 * width), 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(int(32 * width))
        inputs = int(32 * width)
        for name, outputs, stride in _BLOCKS:
            self.add_module(name, _Separable(inputs, int(outputs * width), stride))
            inputs = int(outputs * width)
        self.feature_size = inputs

    def forward(self, crops: Float[Tensor, "b 3 120 120"]) -> Float[Tensor, "b feature"]:
        """Features of crops."""
        x = torch.relu(self.bn1(self.conv1(crops)))
        for name, _, _ in _BLOCKS:
            x = self.get_submodule(name)(x)
        return x.mean((2, 3))
