"""Networks in eight bits: convolutions on small integers, calibrated on training crops."""

import contextlib
import io
import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32

from tddfa_train.data.batches import LandmarkBatches, LandmarkDataConfig
from tddfa_train.detector.mosaics import BoxRule, MosaicBatches, MosaicConfig
from tddfa_train.detector.task import network_input as picture_input
from tddfa_train.export import half_precision_storage
from tddfa_train.landmark_task import network_input

# What runs on integers. The first convolution sees the picture; linear layers and what follows end in camera
# and coefficients, a detector's heads in scores and boxes: they stay float, where errors cost most and time
# is short.
_OPERATORS = ["Conv", "Add", "Relu", "Resize"]
_TRUNK, _DETECTOR, _DETECTOR_HEADS = "/trunk/", "/network/", "/network/heads."
_CHUNK = 32


def calibration_crops(config: LandmarkDataConfig, count: int = 384) -> Float32[np.ndarray, "n 3 s s"]:
    """Augmented training crops as the network takes them; never evaluation data."""
    batches = LandmarkBatches(config, -(-count // config.batch_size))
    crops = np.concatenate([batches[step]["crop"] for step in range(len(batches))])[:count]
    return network_input(torch.from_numpy(crops)).contiguous().numpy()


def calibration_pictures(
    config: MosaicConfig, rule: BoxRule, count: int = 64
) -> Float32[np.ndarray, "n 3 s s"]:
    """Mosaics as the detector takes them, of the largest side that it learns from."""
    batches = MosaicBatches(replace(config, shapes=(max(config.shapes),)), rule, count)
    pictures: list[np.ndarray] = []
    while len(pictures) < count:
        pictures += [*batches[len(pictures)]["picture"]]
    return picture_input(torch.from_numpy(np.stack(pictures[:count]))).contiguous().numpy()


def int8_network(onnx_bytes: bytes, crops: Float32[np.ndarray, "n 3 s s"]) -> bytes:
    """The same network with its convolutions in int8, weights by output channel.

    Args:
        onnx_bytes: from `tddfa_train.export.export_alignment`, in float32.
        crops: set the range of every map; a few hundred are enough.
    """
    chunks = [crops[start : start + _CHUNK] for start in range(0, len(crops), _CHUNK)]
    return _quantized(onnx_bytes, chunks, lambda node: node.startswith(_TRUNK))


def int8_detector(onnx_bytes: bytes, pictures: Float32[np.ndarray, "n 3 s s"]) -> bytes:
    """The same detector with its convolutions in int8, but those that say scores and boxes.

    Args:
        onnx_bytes: from `tddfa_train.export.export_detector`, in float32.
        pictures: set the range of every map; a few dozen are enough.
    """

    def in_body(node: str) -> bool:
        return node.startswith(_DETECTOR) and not node.startswith(_DETECTOR_HEADS)

    return _quantized(onnx_bytes, [picture[None] for picture in pictures], in_body)


def _quantized(
    onnx_bytes: bytes,
    inputs: Iterable[Float32[np.ndarray, "n 3 s s"]],
    on_integers: Callable[[str], bool],
) -> bytes:
    """A network of which the nodes with such names are in int8, but the first convolution."""
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
            self._inputs: Iterator[np.ndarray] = iter(inputs)

        def get_next(self) -> dict[str, np.ndarray] | None:  # pyright: ignore[reportIncompatibleMethodOverride]
            x = next(self._inputs, None)
            return None if x is None else {"input": x}

    root = logging.getLogger()
    level = root.level
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "float.onnx").write_bytes(onnx_bytes)
        root.setLevel(logging.ERROR)  # it recommends what is done here, and prints its steps
        try:
            quant_pre_process(folder / "float.onnx", folder / "folded.onnx", skip_symbolic_shape=True)
            nodes = onnx.load(str(folder / "folded.onnx")).graph.node
            first = next(node.name for node in nodes if node.op_type == "Conv")
            kept = [first, *(node.name for node in nodes if not on_integers(node.name))]
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
                    nodes_to_exclude=kept,
                    calibrate_method=CalibrationMethod.Percentile,
                    # Seven bits: without VNNI, pairs of products are added in 16 bits, which eight overflow.
                    reduce_range=True,
                    extra_options={"CalibPercentile": 99.995},
                )
        finally:
            root.setLevel(level)
        # Scales stay as they are: float16 cannot hold the small ones.
        return half_precision_storage((folder / "int8.onnx").read_bytes(), least=4096)
