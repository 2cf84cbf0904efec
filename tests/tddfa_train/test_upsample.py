"""Detectors whose maps are doubled by copying rows."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest

pytest.importorskip("torch")

import torch

from tddfa.packs import find_pack
from tddfa_train.detector.network import DetectorConfig, FaceDetector
from tddfa_train.export.fuse import fused
from tddfa_train.export.int8 import int8_detector
from tddfa_train.export.onnx import export_detector
from tddfa_train.export.upsample import streamlined


def run(model: bytes, images):
    return ort.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, {"input": images})[0]


def operators(model: bytes):
    return [node.op_type for node in onnx.load_from_string(model).graph.node]


@pytest.fixture(scope="module")
def traced() -> bytes:
    """A detector in int8 as it was before: small, untrained."""
    torch.manual_seed(0)
    network = FaceDetector(DetectorConfig(stem=4, widths=(8, 8, 16, 16), head=8)).eval()
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 128, 3), np.uint8)
    return fused(int8_detector(export_detector(network), images))


@pytest.mark.parametrize("shape", [(1, 128, 192, 3), (3, 64, 64, 3)])
def test_a_streamlined_detector_gives_the_same_bits(traced, shape):
    images = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    model = streamlined(traced)
    assert "Resize" in operators(traced)
    assert "Resize" not in operators(model)
    np.testing.assert_array_equal(run(traced, images), run(model, images))


def test_what_is_streamlined_stays_as_it_is():
    model = find_pack("open").read("detector.onnx")
    assert onnx.load_from_string(streamlined(model)).graph.node == onnx.load_from_string(model).graph.node
