"""Networks in floating point, made from those of 8 bits: the same answers but for rounding."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from conftest import PHOTOS
from tddfa import FaceAligner, read_image
from tddfa.errors import MissingExtraError, PackError
from tddfa.packs.store import BUILT_IN
from tddfa.runtime import onnx_engine
from tddfa.runtime.devices import DEVICES, precision_of
from tddfa.runtime.float_graph import float_network, has_8_bit_operations

onnx = pytest.importorskip("onnx", reason="the extra gpu")

NETWORKS = sorted((BUILT_IN / "open").glob("*.onnx"))


@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: path.stem)
def test_no_8_bit_operation_is_left_and_the_graph_is_a_valid_one(path, precision):
    model = onnx.load_from_string(float_network(path.read_bytes(), path.name, precision))
    left = {node.op_type for node in model.graph.node if node.op_type.startswith(("QLinear", "Quantize"))}
    assert left == set()
    stored = {t.name: t.data_type for t in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear":
            assert node.input[0] in stored, "only weights may still be stored in 8 bits"
    elem = onnx.TensorProto.FLOAT16 if precision == "float16" else onnx.TensorProto.FLOAT
    assert elem in {stored.get(node.input[1]) for node in model.graph.node if node.op_type == "Conv"}


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_the_same_faces_are_found_and_landmarks_move_by_rounding_alone(precision):
    image = read_image(PHOTOS / "group.jpg")
    stored = FaceAligner().align(image)
    floats = FaceAligner(engine=onnx_engine(precision=precision)).align(image)
    assert len(floats) == len(stored)
    for face, other in zip(stored, floats, strict=True):
        side = max(face.box.width, face.box.height)
        distance = np.linalg.norm(face.landmarks[:, :2] - other.landmarks[:, :2], axis=1).mean()
        # Rounding to 8 bits moves landmarks by half a percent of the face at most.
        assert distance < 0.005 * side


def test_networks_stay_in_8_bits_where_there_are_kernels_for_them():
    assert precision_of(DEVICES["cpu"].provider) == "stored"
    assert precision_of(DEVICES["openvino"].provider) == "stored"
    assert {precision_of(DEVICES[name].provider) for name in ("cuda", "directml", "coreml")} == {"float16"}
    data = NETWORKS[0].read_bytes()
    assert float_network(data, "x", "stored") is data


def test_a_network_of_floats_is_left_as_it_is(toy_pack):
    for name in toy_pack.manifest.networks():
        data = toy_pack.read(name)
        assert not has_8_bit_operations(data)
        assert float_network(data, name, "float16") is data


def test_an_operation_that_is_not_known_is_one_line():
    model = onnx.load(NETWORKS[0])
    next(node for node in model.graph.node if node.op_type == "QLinearConv").op_type = "QLinearSoftmax"
    with pytest.raises(PackError, match=r"has the operation QLinearSoftmax.*run it with device='cpu'"):
        float_network(model.SerializeToString(), "x.onnx", "float16")


def test_without_the_package_the_line_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'tddfa\[gpu\]'"):
        float_network(NETWORKS[0].read_bytes(), "x.onnx", "float16")
