"""The networks of 3DDFA_V2, each described once: state dict → ONNX."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tddfa.errors import PackError
from tddfa.packs.convert.graphs import GraphBuilder, StateDict

CROP_SIZE = 120
N_PARAMS = 62

# Tensors that inference does not need: the counters of batch normalisation, and the landmark head that
# only regularised the training.
_TRAINING_ONLY = ("num_batches_tracked", "fc_lm.weight", "fc_lm.bias", "conv_lm.weight", "conv_lm.bias")

# name, output channels at width 1, stride
_MOBILENET_BLOCKS = (
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

# name, output channels, number of blocks
_RESNET22_STAGES = (("layer1", 128, 3), ("layer2", 256, 4), ("layer3", 512, 3))


def normalised_state(state: StateDict) -> StateDict:
    """A state dict as the describing functions expect it: no `module.` prefix, the head named `fc`."""
    clean = {name.removeprefix("module."): array for name, array in state.items()}
    return {
        name.replace("fc_param.", "fc."): array
        for name, array in clean.items()
        if not name.endswith(_TRAINING_ONLY)
    }


def mobilenet_v1(state: StateDict) -> bytes:
    """MobileNetV1 of any width, 62 outputs.

    Args:
        state: normalised; its first layer tells the width.

    Source: Howard et al., "MobileNets", 2017, Table 1; layer names of the checkpoints of 3DDFA_V2.
    """
    stem = state.get("conv1.weight")
    if stem is None or "dw6.conv_sep.weight" not in state:
        raise PackError("the checkpoint is not a MobileNetV1: it has no tensors conv1 and dw6")
    channels = int(stem.shape[0])
    width = channels / 32
    g = GraphBuilder(state)
    x = g.relu(g.conv("input", "conv1", (channels, 3, 3), norm="bn1", stride=2))
    for name, full_channels, stride in _MOBILENET_BLOCKS:
        out = int(full_channels * width)
        x = g.conv(
            x, f"{name}.conv_dw", (channels, 1, 3), norm=f"{name}.bn_dw", stride=stride, groups=channels
        )
        x = g.relu(x)
        x = g.relu(g.conv(x, f"{name}.conv_sep", (out, channels, 1), norm=f"{name}.bn_sep"))
        channels = out
    x = g.node("Flatten", [g.node("GlobalAveragePool", [x])])
    return _regressor(g, g.linear(x, "fc", N_PARAMS, channels))


def resnet22(state: StateDict) -> bytes:
    """The 22-layer residual network of 3DDFA_V2, 62 outputs.

    Source: He et al., "Deep residual learning for image recognition", 2016; layer names of the published
    checkpoints.
    """
    g = GraphBuilder(state)
    x = g.relu(g.conv("input", "conv1", (32, 3, 5), norm="bn1", stride=2))
    x = g.relu(g.conv(x, "conv2", (64, 32, 3), norm="bn2"))
    channels = 64
    for stage, out, blocks in _RESNET22_STAGES:
        for k in range(blocks):
            block, stride = f"{stage}.{k}", 2 if k == 0 else 1
            y = g.relu(g.conv(x, f"{block}.conv1", (out, channels, 3), norm=f"{block}.bn1", stride=stride))
            y = g.conv(y, f"{block}.conv2", (out, out, 3), norm=f"{block}.bn2")
            if k == 0:
                x = g.conv(
                    x,
                    f"{block}.downsample.0",
                    (out, channels, 1),
                    norm=f"{block}.downsample.1",
                    stride=stride,
                )
            x = g.relu(g.node("Add", [y, x]))
            channels = out
    x = g.conv(x, "conv_param", (N_PARAMS, channels, 1))
    return _regressor(g, g.node("Flatten", [g.node("GlobalAveragePool", [x])]))


def _regressor(g: GraphBuilder, params: str) -> bytes:
    _refuse_unused(g)
    return g.finish(["batch", 3, CROP_SIZE, CROP_SIZE], {"params": (params, ["batch", N_PARAMS])})


def faceboxes(state: StateDict) -> bytes:
    """The detector FaceBoxes: image of any size → box offsets (1, n, 4) and face scores (1, n).

    Source: Zhang et al., "FaceBoxes: A CPU real-time face detector with high accuracy", 2017; layer names
    of the checkpoint of 3DDFA_V2.
    """
    g = GraphBuilder(state)

    def basic(x: str, name: str, shape: tuple[int, int, int], *, stride: int = 1) -> str:
        return g.relu(g.conv(x, f"{name}.conv", shape, norm=f"{name}.bn", stride=stride))

    def crelu(x: str, name: str, shape: tuple[int, int, int], *, stride: int) -> str:
        y = g.conv(x, f"{name}.conv", shape, norm=f"{name}.bn", stride=stride)
        y = g.relu(g.node("Concat", [y, g.node("Neg", [y])], axis=1))
        return g.node("MaxPool", [y], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)

    def inception(x: str, name: str) -> str:
        pooled = g.node("AveragePool", [x], kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=1)
        a = basic(x, f"{name}.branch1x1", (32, 128, 1))
        b = basic(pooled, f"{name}.branch1x1_2", (32, 128, 1))
        c = basic(basic(x, f"{name}.branch3x3_reduce", (24, 128, 1)), f"{name}.branch3x3", (32, 24, 3))
        d = basic(basic(x, f"{name}.branch3x3_reduce_2", (24, 128, 1)), f"{name}.branch3x3_2", (32, 24, 3))
        d = basic(d, f"{name}.branch3x3_3", (32, 32, 3))
        return g.node("Concat", [a, b, c, d], axis=1)

    x = crelu("input", "conv1", (24, 3, 7), stride=4)
    x = crelu(x, "conv2", (64, 48, 5), stride=2)
    for k in (1, 2, 3):
        x = inception(x, f"inception{k}")
    levels = [x]
    for k, channels in ((3, 128), (4, 256)):
        x = basic(basic(x, f"conv{k}_1", (128, channels, 1)), f"conv{k}_2", (256, 128, 3), stride=2)
        levels.append(x)

    def heads(name: str, numbers: int) -> str:
        # Per place: all its anchors, `numbers` values each; then all places of all levels in one row.
        flat: list[str] = []
        rows = g.constant(_int64(0, -1, numbers))
        for k, (x, channels, anchors) in enumerate(zip(levels, (128, 256, 256), (21, 1, 1), strict=True)):
            y = g.conv(x, f"{name}.{k}", (anchors * numbers, channels, 3))
            flat.append(g.node("Reshape", [g.node("Transpose", [y], perm=[0, 2, 3, 1]), rows]))
        return g.node("Concat", flat, axis=1)

    offsets = heads("loc", 4)
    classes = g.node("Softmax", [heads("conf", 2)], axis=2)
    scores = g.node("Gather", [classes, g.constant(_int64(1)[0])], axis=2)
    _refuse_unused(g)
    return g.finish(
        [1, 3, "height", "width"],
        {"offsets": (offsets, [1, "anchors", 4]), "scores": (scores, [1, "anchors"])},
    )


def _refuse_unused(g: GraphBuilder) -> None:
    if g.unused():
        raise PackError(
            f"the checkpoint has tensors that its architecture does not: {', '.join(g.unused()[:3])}, …"
        )


def _int64(*values: int) -> np.ndarray[Any, Any]:
    return np.array(values, np.int64)


REGRESSORS: Mapping[str, Callable[[StateDict], bytes]] = {"mobilenet_v1": mobilenet_v1, "resnet22": resnet22}
"""Architecture → description."""
