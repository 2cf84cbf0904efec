"""Export: what ONNX Runtime says is what PyTorch says."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
ort = pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")

from tddfa.detection.anchor_free import STRIDES  # noqa: E402
from tddfa.morphable import open_face_model  # noqa: E402
from tddfa_train import cli  # noqa: E402
from tddfa_train.alignment.mirror import Mirror, MirroredNetwork  # noqa: E402
from tddfa_train.alignment.network import AlignmentNetwork  # noqa: E402
from tddfa_train.alignment.recipe import make_alignment_network  # noqa: E402
from tddfa_train.detector.faceboxes import FaceBoxesNetwork  # noqa: E402
from tddfa_train.detector.network import DetectorConfig, FaceDetector  # noqa: E402
from tddfa_train.export.fuse import fused  # noqa: E402
from tddfa_train.export.int8 import int8_detector, int8_network  # noqa: E402
from tddfa_train.export.onnx import (  # noqa: E402
    alignment_parity,
    export_alignment,
    export_detector,
    half_precision_storage,
)
from tddfa_train.export.uint8_input import ByteConvolution  # noqa: E402
from tddfa_train.landmarks.task import network_input  # noqa: E402
from tddfa_train.networks import DenseConfig, DenseNet  # noqa: E402

CROPS = np.random.default_rng(0).integers(0, 256, (3, 120, 120, 3), np.uint8)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    config = DenseConfig(widths=(8, 8, 16, 16, 16), blocks=(0, 0, 1, 0, 0), squeeze=8, feature=32)
    net = AlignmentNetwork(DenseNet(config), 32, 5, torch.tensor([True, True, False]))
    torch.nn.init.normal_(net.head.weight, std=0.2)
    with torch.no_grad():  # norms as after training
        net.train()
        net(network_input(torch.from_numpy(CROPS)))
    return net.eval()


def test_torch_and_onnx_agree_to_a_thousandth_of_a_pixel(network):
    parity = alignment_parity(network, export_alignment(network), CROPS)
    assert parity.camera_px < 1e-3
    assert parity.coefficient < 1e-4
    assert parity.confidence < 1e-5


@pytest.fixture(scope="module")
def mirrored(network):
    mirror = Mirror(torch.tensor([1.0, -1.0, 1.0, 1.0, -1.0]), torch.tensor([1, 0, 2]))
    return MirroredNetwork(network, mirror)


def _said(onnx_bytes, crops):
    session = ort.InferenceSession(onnx_bytes, providers=["CPUExecutionProvider"])
    return [np.asarray(value) for value in session.run(None, {"input": crops})]


def test_a_mirrored_network_says_the_same_in_onnx(mirrored):
    parity = alignment_parity(mirrored, export_alignment(mirrored), CROPS)
    assert parity.camera_px < 1e-3
    assert parity.coefficient < 1e-4
    assert parity.confidence < 1e-5


@pytest.mark.parametrize("eight_bits", [False, True])
def test_a_mirrored_crop_gives_the_mirrored_face_to_the_last_bit(mirrored, eight_bits):
    network = export_alignment(mirrored)
    if eight_bits:
        network = int8_network(network, CROPS)
    camera, identity, expression, confidence = _said(network, CROPS)
    other = _said(network, np.ascontiguousarray(CROPS[:, :, ::-1]))
    signs = np.float32([[1, -1, -1], [-1, 1, 1], [-1, 1, 1]])
    np.testing.assert_array_equal(other[0][:, :, :3], camera[:, :, :3] * signs)
    np.testing.assert_array_equal(other[0][:, 1, 3], camera[:, 1, 3])
    np.testing.assert_allclose(other[0][:, 0, 3], 119 - camera[:, 0, 3], atol=2e-5)
    np.testing.assert_array_equal(other[1], identity * mirrored.mirror.identity_sign.numpy())
    np.testing.assert_array_equal(other[2], expression[:, [1, 0, 2]])
    np.testing.assert_array_equal(other[3], confidence)


def test_half_precision_storage_halves_the_file_and_moves_points_by_less_than_a_tenth_of_a_pixel(network):
    whole = export_alignment(network)
    half = half_precision_storage(whole)
    assert len(half) < 0.7 * len(whole)
    assert alignment_parity(network, half, CROPS).camera_px < 0.1


def test_the_camera_is_a_scaled_rotation_and_expressions_stay_between_zero_and_one(network):
    session = ort.InferenceSession(export_alignment(network), providers=["CPUExecutionProvider"])
    camera, identity, expression, confidence = session.run(None, {"input": CROPS})
    linear = camera[:, :, :3].astype(np.float64)
    gram = linear @ linear.transpose(0, 2, 1)
    scale = gram[:, 0, 0]
    np.testing.assert_allclose(gram, scale[:, None, None] * np.eye(3), atol=1e-5 * scale.max())
    assert (np.linalg.det(linear) > 0).all()
    assert (camera[:, 2, 3] == 0).all()
    assert identity.shape == (3, 5)
    assert ((expression >= 0) & (expression <= 1)).all()
    assert (expression[:, 2] == 0).all()
    assert ((confidence > 0) & (confidence < 1)).all()


@pytest.mark.parametrize("size", [(64, 64), (192, 320)])
def test_the_exported_detector_gives_the_boxes_of_all_places_at_any_size(size):
    torch.manual_seed(1)
    net = FaceDetector(DetectorConfig(stem=8, widths=(8, 8, 8, 8), head=8)).eval()
    session = ort.InferenceSession(export_detector(net), providers=["CPUExecutionProvider"])
    picture = np.random.default_rng(2).integers(0, 256, (1, *size, 3), np.uint8)
    (places,) = session.run(None, {"input": picture})
    # At the border the exported network sees bytes of 128, half a byte above what is nothing in training.
    expected = torch.cat(
        [level.flatten(2) for level in net.raw_levels(network_input(torch.from_numpy(picture)))], 2
    )
    np.testing.assert_allclose(places, expected.detach().numpy(), atol=0.01)
    assert places.shape == (1, 5, sum(size[0] // s * (size[1] // s) for s in STRIDES))


@pytest.mark.parametrize("eight_bits", [False, True])
def test_an_exported_detector_reads_several_images_as_it_reads_each(eight_bits):
    torch.manual_seed(1)
    net = FaceDetector(DetectorConfig(stem=8, widths=(8, 8, 8, 8), head=8, normalized=False)).eval()
    pictures = np.random.default_rng(2).integers(0, 256, (3, 64, 128, 3), np.uint8)
    data = export_detector(net)
    data = fused(int8_detector(data, pictures)) if eight_bits else data
    session = ort.InferenceSession(data, providers=["CPUExecutionProvider"])
    (together,) = session.run(None, {"input": pictures})
    each = [session.run(None, {"input": picture[None]})[0] for picture in pictures]
    np.testing.assert_allclose(together, np.concatenate(each), atol=1e-4)


@pytest.mark.parametrize(("kernel", "step"), [(3, 2), (5, 4), (3, 1), (5, 2)])
@pytest.mark.parametrize("biased", [False, True])
def test_a_convolution_of_bytes_is_the_one_of_planes(kernel, step, biased):
    torch.manual_seed(kernel)
    original = torch.nn.Conv2d(3, 7, kernel, step, kernel // 2, bias=biased)
    pictures = torch.from_numpy(np.random.default_rng(step).integers(0, 256, (2, 24, 36, 3), np.uint8))
    with torch.no_grad():
        expected, said = original(network_input(pictures)), ByteConvolution(original)(pictures)
    assert said.shape == expected.shape
    inner = (slice(None), slice(None), slice(1, -1), slice(1, -1))
    np.testing.assert_allclose(said[inner], expected[inner], atol=1e-5)
    np.testing.assert_allclose(said, expected, atol=0.02)  # half a byte at the border


def test_convolutions_in_int8_stay_close_and_the_head_stays_float(network):
    whole = export_alignment(network)
    small = int8_network(whole, CROPS.repeat(8, 0))
    assert alignment_parity(network, small, CROPS).camera_px < 1.0
    nodes = onnx.load_model_from_string(small).graph.node
    makers = {output: node for node in nodes for output in node.output}
    kinds = [
        makers[node.input[1]].op_type for node in nodes if node.op_type == "Conv" and node.input[1] in makers
    ]
    convolutions = sum(node.op_type == "Conv" for node in nodes)
    assert kinds.count("DequantizeLinear") == convolutions
    heads = [node for node in nodes if node.op_type == "Gemm"]
    assert heads
    assert all(getattr(makers.get(h.input[1]), "op_type", "Cast") == "Cast" for h in heads)


def test_fused_operators_give_the_same_bits_in_a_smaller_graph(network):
    small = int8_network(export_alignment(network), CROPS)
    data = fused(small)
    before, after = (_said(onnx_bytes, CROPS) for onnx_bytes in (small, data))
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)
    nodes = {
        "before": onnx.load_model_from_string(small).graph.node,
        "after": onnx.load_model_from_string(data).graph.node,
    }
    kinds = {name: [node.op_type for node in graph] for name, graph in nodes.items()}
    assert "QLinearConv" in kinds["after"]
    assert "Conv" not in kinds["after"]
    assert len(kinds["after"]) < 0.6 * len(kinds["before"])
    assert len(data) < 1.05 * len(small)
    # Nothing of the machine that made it: its own layout of convolutions is chosen where it runs.
    assert {node.domain for node in nodes["after"]} <= {"", "com.microsoft"}


def test_the_command_line_calibrates_int8_on_the_training_data(network, write_config, tmp_path, capsys):
    full = make_alignment_network("dense-small", open_face_model(level=0, crop="head"))
    torch.save({"average": full.state_dict()}, tmp_path / "last.pt")
    command = ["export", "alignment", str(tmp_path / "last.pt"), "--trunk", "dense-small"]
    assert cli.main([*command, str(tmp_path / "half.onnx")]) == 0
    assert cli.main([*command, str(tmp_path / "int8.onnx"), "--int8", str(write_config("alignment"))]) == 0
    sizes = [json.loads(line)["bytes"] for line in capsys.readouterr().out.splitlines() if "bytes" in line]
    assert sizes[1] < 0.8 * sizes[0]
    session = ort.InferenceSession(tmp_path / "int8.onnx", providers=["CPUExecutionProvider"])
    assert session.run(None, {"input": CROPS})[0].shape == (3, 3, 4)


def test_a_detector_in_int8_reads_images_of_any_size_and_stays_close(write_config, tmp_path, capsys):
    torch.manual_seed(5)
    network = FaceDetector(DetectorConfig())
    for module in network.modules():  # maps as large as after training
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    for head in network.heads:
        torch.nn.init.normal_(head.weight, std=0.01)
    torch.save({"average": network.state_dict()}, tmp_path / "last.pt")
    command = ["export", "detector", str(tmp_path / "last.pt")]
    assert cli.main([*command, str(tmp_path / "half.onnx")]) == 0
    assert cli.main([*command, str(tmp_path / "int8.onnx"), "--int8", str(write_config("detector"))]) == 0
    sizes = [json.loads(line)["bytes"] for line in capsys.readouterr().out.splitlines() if "bytes" in line]
    assert sizes[1] < 0.7 * sizes[0]
    picture = np.random.default_rng(2).integers(0, 256, (1, 64, 192, 3), np.uint8)
    (places,), (near,) = (
        ort.InferenceSession(tmp_path / f"{kind}.onnx", providers=["CPUExecutionProvider"]).run(
            None, {"input": picture}
        )
        for kind in ("half", "int8")
    )
    np.testing.assert_allclose(near, places, atol=0.1)
    faceboxes = FaceBoxesNetwork().state_dict()
    torch.save({"average": faceboxes}, tmp_path / "last.pt")
    assert cli.main([*command, str(tmp_path / "x.onnx"), "--int8", str(write_config("detector"))]) == 1
    assert "--int8 is for alignment networks and detectors of the kind tddfa" in capsys.readouterr().err
