"""ONNX graphs written layer by layer, batch normalisation folded into its convolution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from tddfa.errors import PackError, require_extra

StateDict: TypeAlias = Mapping[str, "np.ndarray[Any, Any]"]
"""Weights by name, as `torch.nn.Module.state_dict` names them."""

_OPSET = 17
_IR_VERSION = 8  # the one that came with opset 17: older ONNX Runtimes read it too
_BATCH_NORM_EPSILON = 1e-5  # PyTorch's default, which the networks of 3DDFA_V2 use


class GraphBuilder:
    """Collects nodes and weights; each method appends one operator and returns the name of its output."""

    def __init__(self, state: StateDict) -> None:
        try:
            import onnx
        except ImportError:
            raise require_extra("converting weights of 3DDFA_V2", "convert", "onnx") from None
        self._onnx = onnx
        self._state = state
        self._nodes: list[Any] = []
        self._weights: list[Any] = []
        self._used: set[str] = set()

    def weight(self, name: str, shape: Sequence[int | None]) -> np.ndarray[Any, Any]:
        """A tensor of the state dict.

        Args:
            name: its key.
            shape: what it must be; None where any size will do.

        Raises:
            PackError: it is missing or has another shape.
        """
        if name not in self._state:
            raise PackError(f"the checkpoint has no tensor {name!r}: it is of another architecture")
        array = np.asarray(self._state[name], np.float32)
        if len(array.shape) != len(shape) or any(
            want is not None and want != have for want, have in zip(shape, array.shape, strict=True)
        ):
            raise PackError(
                f"tensor {name!r} of the checkpoint has the shape {array.shape}, not {tuple(shape)}: it is "
                f"of another architecture or width"
            )
        self._used.add(name)
        return array

    def node(self, kind: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Any operator with one output."""
        output = f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def constant(self, array: np.ndarray[Any, Any]) -> str:
        """A weight or an index."""
        name = f"weight_{len(self._weights)}"
        self._weights.append(self._onnx.numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def relu(self, x: str) -> str:
        """max(x, 0)."""
        return self.node("Relu", [x])

    def conv(
        self,
        x: str,
        name: str,
        shape: tuple[int, int, int],
        *,
        norm: str | None = None,
        stride: int = 1,
        padding: int | None = None,
        groups: int = 1,
    ) -> str:
        """A convolution, followed by the batch normalisation `norm` if it has one.

        Args:
            x: its input.
            name: prefix of its weights.
            shape: output channels, input channels per group, kernel size.
            norm: prefix of the batch normalisation; a convolution without one has a bias.
            stride: in both directions.
            padding: on all sides; half the kernel when not given.
            groups: of channels; as many as channels makes it depthwise.
        """
        out, into, kernel = shape
        kernels = self.weight(f"{name}.weight", (out, into, kernel, kernel)).astype(np.float64)
        if norm is None:
            bias = self.weight(f"{name}.bias", (out,)).astype(np.float64)
        else:
            gain, shift, mean, variance = (
                self.weight(f"{norm}.{part}", (out,)).astype(np.float64)
                for part in ("weight", "bias", "running_mean", "running_var")
            )
            factor = gain / np.sqrt(variance + _BATCH_NORM_EPSILON)
            kernels = kernels * factor[:, None, None, None]
            bias = shift - mean * factor
        inputs = [x, self.constant(kernels.astype(np.float32)), self.constant(bias.astype(np.float32))]
        pad = kernel // 2 if padding is None else padding
        return self.node(
            "Conv", inputs, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4, group=groups
        )

    def linear(self, x: str, name: str, outputs: int, inputs: int) -> str:
        """A fully connected layer on (batch, inputs)."""
        W = self.constant(self.weight(f"{name}.weight", (outputs, inputs)))
        b = self.constant(self.weight(f"{name}.bias", (outputs,)))
        return self.node("Gemm", [x, W, b], transB=1)

    def finish(
        self, x_shape: Sequence[int | str], outputs: Mapping[str, tuple[str, Sequence[int | str]]]
    ) -> bytes:
        """The bytes of the ONNX file.

        Args:
            x_shape: of the one input, `input`; text for a dimension of any size.
            outputs: name → (what computes it, shape).
        """
        helper, kind = self._onnx.helper, self._onnx.TensorProto.FLOAT
        renamed = [helper.make_node("Identity", [x], [name]) for name, (x, _) in outputs.items()]
        graph = helper.make_graph(
            self._nodes + renamed,
            "tddfa",
            [helper.make_tensor_value_info("input", kind, x_shape)],
            [helper.make_tensor_value_info(name, kind, shape) for name, (_, shape) in outputs.items()],
            self._weights,
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", _OPSET)],
            producer_name="tddfa",
            ir_version=_IR_VERSION,
        )
        self._onnx.checker.check_model(model)
        return model.SerializeToString(deterministic=True)

    def unused(self) -> list[str]:
        """Tensors of the state dict that the graph does not contain."""
        return sorted(set(self._state) - self._used)
