"""Networks in eight bits: convolutions on small integers, calibrated on training crops."""

import contextlib
import io
import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from tddfa_train.data.batches import LandmarkBatches, LandmarkDataConfig
from tddfa_train.detector.mosaics import BoxRule, MosaicBatches, MosaicConfig
from tddfa_train.export.onnx import half_precision_storage
from tddfa_train.export.uint8_input import MIDDLE

# What runs on integers. Linear layers and what follows end in camera and coefficients, a detector's heads in
# scores and boxes: they stay float, where errors cost most and time is short.
_OPERATORS = ["Conv", "Add", "Relu", "Resize", "Gemm"]
_TRUNK, _DETECTOR_HEADS = "/trunk/", "/heads."
_CHUNK = 32

PERCENTILE = 99.995
"""Part of a map's numbers, %, that the range of its integers holds."""


def calibration_crops(config: LandmarkDataConfig, count: int = 384) -> UInt8[np.ndarray, "n s s 3"]:
    """Augmented training crops; never evaluation data."""
    batches = LandmarkBatches(config, -(-count // config.batch_size))
    return np.concatenate([batches[step]["crop"] for step in range(len(batches))])[:count]


def calibration_images(config: MosaicConfig, rule: BoxRule, count: int = 64) -> UInt8[np.ndarray, "n s s 3"]:
    """Mosaics of the largest side that a detector learns from."""
    batches = MosaicBatches(replace(config, shapes=(max(config.shapes),)), rule, count)
    images: list[np.ndarray] = []
    while len(images) < count:
        images += [*batches[len(images)]["image"]]
    return np.stack(images[:count])


def int8_network(onnx_bytes: bytes, crops: UInt8[np.ndarray, "n s s 3"]) -> bytes:
    """The same network with its convolutions in int8, weights by output channel.

    Args:
        onnx_bytes: from `tddfa_train.export.onnx.export_alignment`, in float32.
        crops: RGB; set the range of every map; a few hundred are enough.
    """
    chunks = [{"input": crops[start : start + _CHUNK]} for start in range(0, len(crops), _CHUNK)]
    return quantized(onnx_bytes, chunks, lambda node: node.startswith(_TRUNK) and not node.endswith("/Gemm"))


def int8_detector(onnx_bytes: bytes, images: UInt8[np.ndarray, "n s s 3"]) -> bytes:
    """The same detector with its convolutions in int8, but those that say scores and boxes.

    Args:
        onnx_bytes: from `tddfa_train.export.onnx.export_detector`, in float32.
        images: RGB; set the range of every map; a few dozen are enough.
    """
    chunks = [{"input": image[None]} for image in images]
    return quantized(onnx_bytes, chunks, lambda node: not node.startswith(_DETECTOR_HEADS))


def quantized(
    onnx_bytes: bytes,
    inputs: Iterable[dict[str, np.ndarray]],
    on_integers: Callable[[str], bool],
    percentile: float = PERCENTILE,
) -> bytes:
    """Put some nodes of a network into int8.

    Args:
        onnx_bytes: the network, in float32; its first convolutions read bytes.
        inputs: set the range of every map.
        on_integers: whether the node of a name may run on integers.
        percentile: part of a map's numbers, %, that the range of its integers holds. Fewer make finer steps,
            and landmarks steadier; too few cut off what is strong.
    """
    import onnx
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self._inputs: Iterator[dict[str, np.ndarray]] = iter(inputs)

        def get_next(self) -> dict[str, np.ndarray] | None:  # pyright: ignore[reportIncompatibleMethodOverride]
            return next(self._inputs, None)

    # What the first convolution sees, bytes less their middle, is in eight bits already.
    as_bytes = {
        "scale": np.array(1, np.float32),
        "zero_point": np.array(int(MIDDLE), np.uint8),
        "quant_type": QuantType.QUInt8,
    }
    root = logging.getLogger()
    level = root.level
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "float.onnx").write_bytes(onnx_bytes)
        root.setLevel(logging.ERROR)  # it recommends what is done here, and prints its steps
        try:
            quant_pre_process(folder / "float.onnx", folder / "folded.onnx", skip_symbolic_shape=True)
            model = onnx.load(str(folder / "folded.onnx"))
            seen = _bytes_less_middle(model, on_integers)
            with contextlib.redirect_stdout(io.StringIO()):
                quantize_static(
                    folder / "folded.onnx",
                    folder / "int8.onnx",
                    Reader(),
                    quant_format=QuantFormat.QDQ,
                    op_types_to_quantize=_OPERATORS,
                    per_channel=True,
                    activation_type=QuantType.QUInt8,
                    weight_type=QuantType.QInt8,
                    nodes_to_exclude=[node.name for node in model.graph.node if not on_integers(node.name)],
                    calibrate_method=CalibrationMethod.Percentile,
                    # Seven bits: without VNNI, pairs of products are added in 16 bits, which eight overflow.
                    reduce_range=True,
                    extra_options={
                        "CalibPercentile": percentile,
                        "TensorQuantOverrides": {key: [as_bytes] for key in seen},
                    },
                )
        finally:
            root.setLevel(level)
        model = onnx.load(str(folder / "int8.onnx"))
    for name in seen:
        _feed_bytes(model, name)
    # Scales stay as they are: float16 cannot hold the small ones.
    return half_precision_storage(model.SerializeToString(), least=4096)


def _bytes_less_middle(model: Any, on_integers: Callable[[str], bool]) -> list[str]:
    """Find what first convolutions on integers see: bytes less their middle."""
    makers = {output: node for node in model.graph.node for output in node.output}

    def from_bytes(name: str) -> bool:
        subtract = makers.get(name)
        cast = makers.get(subtract.input[0]) if subtract is not None and subtract.op_type == "Sub" else None
        return cast is not None and cast.op_type == "Cast"

    convolutions = [n.input[0] for n in model.graph.node if n.op_type == "Conv" and on_integers(n.name)]
    return [name for name in convolutions if from_bytes(name)]


def _feed_bytes(model: Any, seen: str) -> None:
    """Hands the bytes to the first convolution on integers as they are, not by way of floats.

    Args:
        model: quantized; changed.
        seen: what was the first convolution's input.
    """
    graph = model.graph
    makers = {output: node for node in graph.node for output in node.output}
    quantize = next(node for node in graph.node if node.op_type == "QuantizeLinear" and node.input[0] == seen)
    subtract = makers[seen]
    cast = makers[subtract.input[0]]
    assert (subtract.op_type, cast.op_type) == ("Sub", "Cast")
    for node in graph.node:
        for k, name in enumerate(node.input):
            if name == quantize.output[0]:
                node.input[k] = cast.input[0]
    for node in (cast, subtract, quantize):
        graph.node.remove(node)
    used = {name for node in graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)
