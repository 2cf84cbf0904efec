"""Convolutions that compute several places at a time, and how networks are stored."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest

pytest.importorskip("torch")

import torch

from tddfa.morphable import open_face_model
from tddfa.packs import find_pack
from tddfa_train.export.byte_storage import byte_storage
from tddfa_train.export.fuse import fused
from tddfa_train.export.int8 import quantized
from tddfa_train.export.onnx import half_precision_storage
from tddfa_train.export.short_names import shortened
from tddfa_train.export.widen import widened
from tddfa_train.expressions.export import export_closeups
from tddfa_train.expressions.network import CloseUpConfig
from tddfa_train.expressions.recipe import make_closeup_network
from tddfa_train.landmarks.task import network_input


def run(model: bytes, values):
    return ort.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, values)


@pytest.fixture(scope="module")
def values():
    model, random = open_face_model(level=0, crop="head"), np.random.default_rng(0)
    numbers = 6 + model.n_identity + model.n_expression
    return {
        "input": random.integers(0, 256, (3, 128, 128, 3), np.uint8),
        "state": random.normal(0, 0.3, (3, numbers)).astype(np.float32),
    }


@pytest.fixture(scope="module")
def narrow(values) -> bytes:
    """A network in int8 as it was before: small, untrained."""
    config = CloseUpConfig(widths=(8, 8, 16), squeeze=8, feature=16, hidden=16)
    network = make_closeup_network(config, open_face_model(level=0, crop="head")).eval()
    return fused(quantized(export_closeups(network), [values], lambda node: node.startswith("/")))


@pytest.mark.parametrize("places", [2, 4])
def test_a_widened_network_gives_the_same_bits(narrow, values, places):
    wide = widened(narrow, places)
    assert len(onnx.load_from_string(wide).graph.node) > len(onnx.load_from_string(narrow).graph.node)
    for before, after in zip(run(narrow, values), run(wide, values), strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_map_that_is_not_divided_stays_as_it_is(narrow):
    assert onnx.load_from_string(widened(narrow, 7)).graph.node == onnx.load_from_string(narrow).graph.node


@pytest.mark.parametrize("file", ["regressor.onnx", "regressor-small.onnx", "expressions.onnx"])
def test_what_is_wide_stays_as_it_is(file):
    model = find_pack("open").read(file)
    assert onnx.load_from_string(widened(model)).graph.node == onnx.load_from_string(model).graph.node


def test_short_names_change_no_bit_and_are_not_widened_again(narrow, values):
    wide = widened(narrow)
    short = shortened(wide)
    assert len(short) < 0.95 * len(wide)
    for before, after in zip(run(wide, values), run(short, values), strict=True):
        np.testing.assert_array_equal(before, after)
    assert shortened(short) == short
    assert onnx.load_from_string(widened(short)).graph.node == onnx.load_from_string(short).graph.node


def test_a_matrix_in_bytes_is_off_by_half_a_step_of_its_rows(values):
    config = CloseUpConfig(widths=(8, 8, 16), squeeze=8, feature=32, hidden=16)
    network = make_closeup_network(config, open_face_model(level=0, crop="head"), person=True).eval()
    half = half_precision_storage(export_closeups(network))
    in_bytes = byte_storage(half, "person.weight")
    assert len(in_bytes) < len(half) - 80 * 96 + 1000
    assert byte_storage(half, "no.weight") == half
    *others, person = run(half, values)
    *same, near = run(in_bytes, values)
    for before, after in zip(others, same, strict=True):
        np.testing.assert_array_equal(before, after)
    step = np.abs(network.person.weight.detach().numpy()).max(1) / 127
    seen = network.seen(network_input(torch.from_numpy(values["input"]))).detach().numpy()
    assert (np.abs(near - person) <= (0.5 * step + 2e-4) * np.abs(seen).sum(1, keepdims=True)).all()
    assert np.abs(near - person).max() > 0
