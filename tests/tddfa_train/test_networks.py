"""Networks: shapes, and the published ones against their ONNX descriptions."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
ort = pytest.importorskip("onnxruntime")

from tddfa.packs.convert.networks import mobilenet_v1, resnet22  # noqa: E402
from tddfa_train.networks import DENSE, TRUNKS, DenseConfig, DenseNet  # noqa: E402
from tddfa_train.networks.pruning import pruned  # noqa: E402


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


def _weights(name):
    return {f"trunk.{key}": value.clone() for key, value in TRUNKS[name]().state_dict().items()}


def _filled(name, weights):
    trunk = TRUNKS[name]().eval()
    trunk.load_state_dict({key.removeprefix("trunk."): value for key, value in weights.items()})
    return trunk


def test_a_pruned_trunk_computes_the_same_where_what_it_lacks_did_nothing():
    torch.manual_seed(0)
    smaller = DenseConfig(blocks=(0, 0, 0, 1, 1), inner=(0, 0, 0, 64, 0), normalized=False)
    weights = _weights("dense-folded")
    # The block that is left out adds nothing, and half of the channels within the next one lead nowhere.
    weights["trunk.body.3.second.0.weight"].zero_()
    weights["trunk.body.3.second.0.bias"].zero_()
    weights["trunk.body.5.second.0.weight"][:, torch.randperm(128)[:64]] = 0
    crops = torch.randn(40, 3, 120, 120)
    thin = pruned(weights, DENSE["dense-folded"], smaller, crops)
    large, light = TRUNKS["dense-folded"]().eval(), DenseNet(smaller).eval()
    for network, values in ((large, weights), (light, thin)):
        network.load_state_dict({key.removeprefix("trunk."): value for key, value in values.items()})
    with torch.no_grad():
        torch.testing.assert_close(light(crops), large(crops), atol=1e-4, rtol=1e-3)


def test_a_narrowed_block_is_fitted_to_answer_as_before():
    torch.manual_seed(0)
    weights, crops = _weights("dense-folded"), torch.randn(40, 3, 120, 120)
    thin = pruned(weights, DENSE["dense-folded"], DENSE["dense-light"], crops)
    first = weights["trunk.body.5.first.0.weight"]
    kept = [int((first == row).flatten(1).all(1).nonzero()) for row in thin["trunk.body.5.first.0.weight"]]
    cut_off = thin | {"trunk.body.5.second.0.weight": weights["trunk.body.5.second.0.weight"][:, kept]}
    with torch.no_grad():
        feature = [
            _filled(name, values)(crops)
            for name, values in (("dense-folded", weights), ("dense-light", thin), ("dense-light", cut_off))
        ]
    assert (feature[1] - feature[0]).norm() < (feature[2] - feature[0]).norm()


def test_a_trunk_that_lacks_nothing_is_not_pruned():
    weights = _weights("dense-folded") | {"head.weight": torch.zeros(1)}
    crops = torch.randn(2, 3, 120, 120)
    same = pruned(weights, DENSE["dense-folded"], DENSE["dense-folded"], crops)
    assert same.keys() == weights.keys()
    assert all(torch.equal(same[key], value) for key, value in weights.items())
