"""Networks in eight bits: convolutions on small integers, calibrated on training crops."""

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32

from tddfa_train.data.batches import LandmarkBatches, LandmarkDataConfig
from tddfa_train.export import half_precision_storage
from tddfa_train.landmark_task import network_input

# What runs on integers, in the trunk. The first convolution sees the picture, and the linear layers and what
# follows end in camera and coefficients: they stay float, where errors cost most and time is short.
_OPERATORS = ["Conv", "Add", "Relu"]
_CHUNK = 32


def calibration_crops(config: LandmarkDataConfig, count: int = 384) -> Float32[np.ndarray, "n 3 s s"]:
    """Augmented training crops as the network takes them; never evaluation data."""
    batches = LandmarkBatches(config, -(-count // config.batch_size))
    crops = np.concatenate([batches[step]["crop"] for step in range(len(batches))])[:count]
    return network_input(torch.from_numpy(crops)).contiguous().numpy()


def int8_network(onnx_bytes: bytes, crops: Float32[np.ndarray, "n 3 s s"]) -> bytes:
    """The same network with its convolutions in int8, weights by output channel.

    Args:
        onnx_bytes: from `tddfa_train.export.export_alignment`, in float32.
        crops: set the range of every map; a few hundred are enough.
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

    class Crops(CalibrationDataReader):
        def __init__(self) -> None:
            self._chunks: Iterator[int] = iter(range(0, len(crops), _CHUNK))

        def get_next(self) -> dict[str, np.ndarray] | None:  # pyright: ignore[reportIncompatibleMethodOverride]
            start = next(self._chunks, None)
            return None if start is None else {"input": crops[start : start + _CHUNK]}

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
            kept = [first, *(node.name for node in nodes if not node.name.startswith("/trunk/"))]
            with contextlib.redirect_stdout(io.StringIO()):
                quantize_static(
                    folder / "folded.onnx",
                    folder / "int8.onnx",
                    Crops(),
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
