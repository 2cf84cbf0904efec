"""ResNet-22 as in the checkpoints of 3DDFA_V2."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

# Name, output channels and number of blocks of each stage; each halves the map once.
_STAGES: tuple[tuple[str, int, int], ...] = (("layer1", 128, 3), ("layer2", 256, 4), ("layer3", 512, 3))


class _BasicBlock(nn.Module):
    """Two 3x3 convolutions around a skip.

    Source: He et al., "Deep residual learning for image recognition", 2016.
    """

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        skip = x if self.downsample is None else self.downsample(x)
        return torch.relu(self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))) + skip)


class ResNet22(nn.Module):
    """Trunk: a crop becomes one feature vector, the mean over the last map."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 5, 2, 2, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        self.conv2 = nn.Conv2d(32, 64, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        inputs = 64
        for name, outputs, count in _STAGES:
            blocks = [
                _BasicBlock(inputs if k == 0 else outputs, outputs, 2 if k == 0 else 1) for k in range(count)
            ]
            self.add_module(name, nn.Sequential(*blocks))
            inputs = outputs
        self.feature_size = inputs

    def forward(self, crops: Float[Tensor, "b 3 120 120"]) -> Float[Tensor, "b feature"]:
        """Features of crops."""
        x = torch.relu(self.bn1(self.conv1(crops)))
        x = torch.relu(self.bn2(self.conv2(x)))
        for name, _, _ in _STAGES:
            x = self.get_submodule(name)(x)
        return x.mean((2, 3))
