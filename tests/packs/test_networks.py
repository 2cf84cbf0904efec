"""The networks written to ONNX against a plain PyTorch forward pass of the same state dict."""

from __future__ import annotations

import numpy as np
import pytest

import toys
from tddfa.errors import PackError
from tddfa.packs.convert.networks import faceboxes, mobilenet_v1, normalised_state, resnet22
from tddfa.runtime import OnnxNetwork

torch = pytest.importorskip("torch", reason="needs the train extra")
F = torch.nn.functional


class Twin:
    """Layers by name, straight from a state dict: convolution, then batch normalisation as PyTorch has it."""

    def __init__(self, state):
        self.w = {k: torch.from_numpy(np.asarray(v)) for k, v in state.items()}

    def conv(self, x, name, norm=None, **options):
        weight = self.w[f"{name}.weight"]
        x = F.conv2d(x, weight, self.w.get(f"{name}.bias"), padding=weight.shape[-1] // 2, **options)
        if norm is None:
            return x
        parts = [self.w[f"{norm}.{p}"] for p in ("running_mean", "running_var", "weight", "bias")]
        return F.batch_norm(x, *parts)

    def mobilenet(self, x):
        x = F.relu(self.conv(x, "conv1", "bn1", stride=2))
        halving = {"dw2_2", "dw3_2", "dw4_2", "dw5_6"}
        blocks = dict.fromkeys(k.split(".")[0] for k in self.w if k.startswith("dw"))
        for block in blocks:
            stride = 2 if block in halving else 1
            x = F.relu(self.conv(x, f"{block}.conv_dw", f"{block}.bn_dw", stride=stride, groups=x.shape[1]))
            x = F.relu(self.conv(x, f"{block}.conv_sep", f"{block}.bn_sep"))
        return F.linear(x.mean((2, 3)), self.w["fc.weight"], self.w["fc.bias"])

    def resnet22(self, x):
        x = F.relu(self.conv(x, "conv1", "bn1", stride=2))
        x = F.relu(self.conv(x, "conv2", "bn2"))
        for block in dict.fromkeys(".".join(k.split(".")[:2]) for k in self.w if k.startswith("layer")):
            stride = 2 if block.endswith(".0") else 1
            y = F.relu(self.conv(x, f"{block}.conv1", f"{block}.bn1", stride=stride))
            y = self.conv(y, f"{block}.conv2", f"{block}.bn2")
            if stride == 2:
                x = self.conv(x, f"{block}.downsample.0", f"{block}.downsample.1", stride=2)
            x = F.relu(y + x)
        return self.conv(x, "conv_param").mean((2, 3))

    def faceboxes(self, x):
        def basic(x, name, **options):
            return F.relu(self.conv(x, f"{name}.conv", f"{name}.bn", **options))

        for name, stride in (("conv1", 4), ("conv2", 2)):
            x = self.conv(x, f"{name}.conv", f"{name}.bn", stride=stride)
            x = F.max_pool2d(F.relu(torch.cat([x, -x], 1)), 3, 2, 1)
        for k in (1, 2, 3):
            b = f"inception{k}.branch"
            branches = [
                basic(x, f"{b}1x1"),
                basic(F.avg_pool2d(x, 3, 1, 1), f"{b}1x1_2"),
                basic(basic(x, f"{b}3x3_reduce"), f"{b}3x3"),
                basic(basic(basic(x, f"{b}3x3_reduce_2"), f"{b}3x3_2"), f"{b}3x3_3"),
            ]
            x = torch.cat(branches, 1)
        levels = [x]
        for k in (3, 4):
            levels.append(basic(basic(levels[-1], f"conv{k}_1"), f"conv{k}_2", stride=2))

        def heads(name, numbers):
            maps = [self.conv(x, f"{name}.{k}") for k, x in enumerate(levels)]
            return torch.cat([m.permute(0, 2, 3, 1).reshape(1, -1, numbers) for m in maps], 1)

        return heads("loc", 4), heads("conf", 2).softmax(2)[..., 1]


def crops(n: int) -> np.ndarray:
    return np.random.default_rng(5).normal(0, 0.5, (n, 3, 120, 120)).astype(np.float32)


@pytest.mark.parametrize("width", [1.0, 0.75, 0.5, 0.25])
def test_mobilenet_of_any_width_equals_torch(width):
    state = normalised_state(toys.mobilenet_state(width, np.random.default_rng(0)))
    params = OnnxNetwork(mobilenet_v1(state), "m")(crops(2))["params"]
    np.testing.assert_allclose(params, Twin(state).mobilenet(torch.from_numpy(crops(2))).numpy(), atol=1e-4)


def test_resnet22_equals_torch():
    state = normalised_state(toys.resnet22_state(np.random.default_rng(0)))
    params = OnnxNetwork(resnet22(state), "r")(crops(1))["params"]
    expected = Twin(state).resnet22(torch.from_numpy(crops(1))).numpy()
    np.testing.assert_allclose(params, expected, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("size", [(96, 160), (65, 33), (7, 300), (1, 1)])
def test_faceboxes_equals_torch_on_images_of_any_size(size):
    state = normalised_state(toys.faceboxes_state(np.random.default_rng(0)))
    x = np.random.default_rng(1).normal(0, 1, (1, 3, *size)).astype(np.float32)
    output = OnnxNetwork(faceboxes(state), "f")(x)
    offsets, scores = Twin(state).faceboxes(torch.from_numpy(x))
    np.testing.assert_allclose(output["offsets"], offsets.numpy(), atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(output["scores"], scores.numpy(), atol=1e-4)


def test_a_state_dict_of_another_architecture_is_refused_in_a_line():
    mobilenet = normalised_state(toys.mobilenet_state(0.25, np.random.default_rng(0)))
    for convert in (resnet22, faceboxes):
        with pytest.raises(PackError, match="of another architecture"):
            convert(mobilenet)
    with pytest.raises(PackError, match="not a MobileNetV1"):
        mobilenet_v1(normalised_state(toys.resnet22_state(np.random.default_rng(0))))
    with pytest.raises(PackError, match="has tensors that its architecture does not"):
        mobilenet_v1({**mobilenet, "extra.weight": np.zeros(1)})
