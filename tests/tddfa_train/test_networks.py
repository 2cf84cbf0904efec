"""Networks: shapes, and the published ones against their ONNX descriptions."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
ort = pytest.importorskip("onnxruntime")

from tddfa.packs.convert.networks import mobilenet_v1, resnet22  # noqa: E402
from tddfa_train.networks import TRUNKS  # noqa: E402


@pytest.mark.parametrize("name", TRUNKS)
def test_every_trunk_gives_one_finite_feature_vector_a_crop(name):
    trunk = TRUNKS[name]().eval()
    with torch.no_grad():
        feature = trunk(torch.randn(2, 3, 120, 120))
    assert feature.shape == (2, trunk.feature_size)
    assert torch.isfinite(feature).all()


def _run(onnx: bytes, x: np.ndarray) -> np.ndarray:
    return ort.InferenceSession(onnx, providers=["CPUExecutionProvider"]).run(None, {"input": x})[0]


def _unlike_identity(trunk):
    """Norms as after training: fresh ones would hide a norm that is left out."""
    generator = torch.Generator().manual_seed(1)
    for module in trunk.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.copy_(0.1 * torch.randn(module.num_features, generator=generator))
            module.running_var.copy_(0.5 + torch.rand(module.num_features, generator=generator))
    return trunk.eval()


@pytest.mark.parametrize("name", ["mobilenet-1.0", "mobilenet-0.75", "mobilenet-0.5"])
def test_our_mobilenet_is_the_published_one(name):
    trunk = _unlike_identity(TRUNKS[name]())
    head = torch.nn.Linear(trunk.feature_size, 62)
    state = trunk.state_dict() | {f"fc.{key}": value for key, value in head.state_dict().items()}
    onnx = mobilenet_v1({key: value.numpy() for key, value in state.items() if "num_batches" not in key})
    x = torch.randn(2, 3, 120, 120)
    with torch.no_grad():
        expected = head(trunk(x)).numpy()
    np.testing.assert_allclose(_run(onnx, x.numpy()), expected, atol=2e-4 * np.abs(expected).max())


def test_our_resnet22_is_the_published_one():
    trunk = _unlike_identity(TRUNKS["resnet-22"]())
    head = torch.nn.Conv2d(trunk.feature_size, 62, 1, bias=True)
    state = trunk.state_dict() | {f"conv_param.{key}": value for key, value in head.state_dict().items()}
    onnx = resnet22({key: value.numpy() for key, value in state.items() if "num_batches" not in key})
    x = torch.randn(1, 3, 120, 120)
    with torch.no_grad():
        expected = head(trunk(x)[:, :, None, None])[:, :, 0, 0].numpy()
    np.testing.assert_allclose(_run(onnx, x.numpy()), expected, atol=2e-4 * np.abs(expected).max())
