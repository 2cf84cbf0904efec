"""Convolutions that compute several places at a time."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from tddfa.packs import find_pack

pytest.importorskip("torch")

from tddfa_train.export.widen import widened

PACK = find_pack("open")


def run(model: bytes, values):
    return ort.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, values)


@pytest.mark.parametrize("places", [2, 4])
@pytest.mark.parametrize("file", ["regressor-small.onnx", "expressions.onnx"])
def test_a_widened_network_gives_the_same_bits(file, places):
    model = PACK.read(file)
    wide = widened(model, places)
    random = np.random.default_rng(0)
    values = {}
    for value in onnx.load_from_string(model).graph.input:
        sides = [d.dim_value for d in value.type.tensor_type.shape.dim][1:]
        values[value.name] = (
            random.integers(0, 256, (3, *sides), np.uint8)
            if len(sides) > 1
            else random.normal(0, 0.3, (3, *sides)).astype(np.float32)
        )
    for before, after in zip(run(model, values), run(wide, values), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("file", ["regressor-small.onnx", "expressions.onnx"])
def test_a_map_that_is_not_divided_stays_as_it_is(file):
    model = PACK.read(file)
    assert onnx.load_from_string(widened(model, 7)).graph.node == onnx.load_from_string(model).graph.node
