"""A network of 8-bit numbers → the same network in floating point, for devices that compute no other.

Packs hold 8-bit networks, which are the fastest on a CPU; CUDA, DirectML and Core ML have no kernels for them
and would leave all the work to the CPU. The float network is made from the 8-bit one when it is loaded: packs
stay small, no second file has to be kept in step with the first, and packs of others have it too. It differs
from the 8-bit network by what that one rounds away: the range of every tensor is kept, since the lower end of
a range is often the ReLU that was fused into it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np

from tddfa.errors import PackError, require_extra
from tddfa.onnx_files import check_self_contained

Precision: TypeAlias = Literal["stored", "float32", "float16"]
"""Numbers that a network computes with: those of its file, or floats."""

_NUMPY = {"float32": np.float32, "float16": np.float16}
# Operations that move 8-bit numbers and do not look at them, or take their mean as floats do.
_MOVING = frozenset(
    {
        "Concat",
        "Transpose",
        "Reshape",
        "Slice",
        "Resize",
        "Squeeze",
        "Unsqueeze",
        "Flatten",
        "Gather",
        "Split",
    }
    | {"Identity", "MaxPool", "Pad"}
)


def has_8_bit_operations(model: bytes) -> bool:
    """Return whether a network computes with numbers of 8 bits."""
    return any(name in model for name in (b"QLinear", b"DequantizeLinear", b"QGemm", b"ConvInteger"))


def float_network(model: bytes, name: str, precision: Precision) -> bytes:
    """Return a network with floating-point numbers in the place of its 8-bit ones.

    Args:
        model: the bytes of an ONNX file.
        name: name of the network in error messages.
        precision: "float16" or "float32"; with "stored", the file as it is.

    Raises:
        PackError: it has an 8-bit operation that is not known here.
        MissingExtraError: the package `onnx` is not installed.
    """
    if precision == "stored" or not has_8_bit_operations(model):
        return model
    try:
        import onnx
    except ImportError:
        raise require_extra("running networks on a GPU", "gpu", "onnx") from None
    check_self_contained(model)  # the package would read the files that it names
    try:
        return _Conversion(onnx, onnx.load_from_string(model), name, precision).result()
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise PackError(f"{name} cannot be turned into floats ({error}); run it with device='cpu'") from None


class _Conversion:
    """One network on its way from 8-bit numbers to floats.

    A tensor of the graph is "quantized" when 8-bit operations made it; in the new graph the same name is that
    of its values.
    """

    def __init__(self, onnx: Any, model: Any, name: str, precision: Precision) -> None:
        self._onnx, self._model, self._name = onnx, model, name
        self._type = _NUMPY[precision]
        self._elem = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(self._type))
        self._constants = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
        self._bytes_in = {
            i.name
            for i in model.graph.input
            if i.type.tensor_type.elem_type in (onnx.TensorProto.UINT8, onnx.TensorProto.INT8)
        }
        self._quantized: set[str] = set()
        self._made: set[str] = set()  # tensors of nodes that were added
        self._nodes: list[Any] = []
        self._added: dict[str, Any] = {}
        self._converters: dict[str, Callable[[Any], None]] = {
            "QLinearConv": self._conv,
            "QLinearAdd": lambda node: self._binary(node, "Add"),
            "QLinearMul": lambda node: self._binary(node, "Mul"),
            "QLinearMatMul": self._matmul,
            "QGemm": self._gemm,
            "QLinearGlobalAveragePool": self._pool,
            "QuantizeLinear": self._quantize,
            "DequantizeLinear": self._dequantize,
        }

    def result(self) -> bytes:
        graph = self._model.graph
        for node in graph.node:
            convert = self._converters.get(node.op_type)
            if convert is not None:
                convert(node)
            elif node.op_type in _MOVING and self._moves_bytes(node):
                self._quantized.update(node.output)
                self._nodes.append(node)
            elif "Integer" in node.op_type or node.op_type.startswith(("QLinear", "QAttention")):
                raise PackError(
                    f"{self._name} has the operation {node.op_type}, which cannot be turned into floats; run "
                    "it with device='cpu'"
                )
            else:
                self._nodes.append(node)
        del graph.node[:]
        graph.node.extend(self._nodes)
        graph.initializer.extend(self._added.values())
        used = {name for node in graph.node for name in node.input}
        kept = [tensor for tensor in graph.initializer if tensor.name in used]
        del graph.initializer[:]
        graph.initializer.extend(kept)
        del graph.value_info[:]  # types of tensors that are others now
        return self._model.SerializeToString()

    def _moves_bytes(self, node: Any) -> bool:
        return node.input[0] in self._quantized or node.input[0] in self._bytes_in

    def _conv(self, node: Any) -> None:
        x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, *bias = node.input
        weights = self._weights(w, w_scale, w_zero, axis=0)
        inputs = [self._values(x, x_scale, x_zero), self._constant(f"{w}.float", weights)]
        if bias:
            scale = self._constants[x_scale] * self._constants[w_scale]
            inputs.append(self._constant(f"{bias[0]}.float", self._constants[bias[0]] * scale))
        attributes = {a.name: self._onnx.helper.get_attribute_value(a) for a in node.attribute}
        self._add("Conv", inputs, node.output[0], y_scale, y_zero, **attributes)

    def _binary(self, node: Any, operation: str) -> None:
        a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero = node.input
        inputs = [self._values(a, a_scale, a_zero), self._values(b, b_scale, b_zero)]
        self._add(operation, inputs, node.output[0], y_scale, y_zero)

    def _matmul(self, node: Any) -> None:
        a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero = node.input
        inputs = [self._values(a, a_scale, a_zero), self._values(b, b_scale, b_zero)]
        self._add("MatMul", inputs, node.output[0], y_scale, y_zero)

    def _gemm(self, node: Any) -> None:
        x, x_scale, x_zero, w, w_scale, w_zero, *more = node.input
        bias, y_scale, y_zero = [*more, "", "", ""][:3]
        attributes = {a.name: self._onnx.helper.get_attribute_value(a) for a in node.attribute}
        axis = 0 if attributes.get("transB", 0) else 1
        weights = self._weights(w, w_scale, w_zero, axis=axis)
        inputs = [self._values(x, x_scale, x_zero), self._constant(f"{w}.float", weights)]
        if bias:
            scale = self._constants[x_scale] * self._constants[w_scale] * attributes.get("alpha", 1.0)
            inputs.append(self._constant(f"{bias}.float", self._constants[bias] * scale))
        if y_scale:
            self._add("Gemm", inputs, node.output[0], y_scale, y_zero, **attributes)
        else:
            raw = self._node("Gemm", inputs, f"{node.output[0]}.raw", **attributes)
            self._node("Cast", [raw], node.output[0], to=self._onnx.TensorProto.FLOAT)

    def _pool(self, node: Any) -> None:
        x, x_scale, x_zero, y_scale, y_zero = node.input
        if any(a.name == "channels_last" and a.i for a in node.attribute):
            raise PackError(f"{self._name} pools with channels last; run it with device='cpu'")
        self._add("GlobalAveragePool", [self._values(x, x_scale, x_zero)], node.output[0], y_scale, y_zero)

    def _quantize(self, node: Any) -> None:
        x, scale, *zero = node.input
        cast = self._node("Cast", [x], f"{node.output[0]}.cast", to=self._elem)
        low, high = self._range(scale, zero[0] if zero else "")
        self._node("Clip", [cast, low, high], node.output[0])
        self._quantized.add(node.output[0])

    def _dequantize(self, node: Any) -> None:
        x, scale, *zero = node.input
        if x in self._constants and x not in self._quantized:
            self._nodes.append(node)  # weights that are stored in 8 bits and used as floats
            return
        values = self._values(x, scale, zero[0] if zero else "")
        self._node("Cast", [values], node.output[0], to=self._onnx.TensorProto.FLOAT)

    def _values(self, x: str, scale: str, zero: str) -> str:
        """Return the name of the values of an 8-bit tensor."""
        if x in self._quantized and not self._comes_from_input(x):
            return x
        if x in self._constants:
            return self._constant(f"{x}.float", self._weights(x, scale, zero, axis=-1))
        cast = self._node("Cast", [x], f"{x}.cast", to=self._elem)
        offset, factor = self._zero(zero), self._constants[scale]
        shifted = self._node("Sub", [cast, self._constant(f"{zero}.float", offset)], f"{x}.shifted")
        return self._node("Mul", [shifted, self._constant(f"{scale}.float", factor)], f"{x}.values")

    def _comes_from_input(self, name: str) -> bool:
        """Whether a tensor is bytes of the network's input that were only moved."""
        by_output = {output: node for node in self._nodes for output in node.output}
        while name not in self._bytes_in:
            node = by_output.get(name)
            if node is None or node.op_type not in _MOVING:
                return False
            name = node.input[0]
        return True

    def _weights(self, w: str, scale: str, zero: str, *, axis: int) -> np.ndarray:
        values, factor = self._constants[w].astype(np.float32), self._constants[scale]
        shape = [1] * values.ndim
        if factor.size > 1:
            shape[axis] = -1
        return (values - self._zero(zero).astype(np.float32).reshape(-1 if factor.size == 1 else shape)) * (
            factor.reshape(shape if factor.size > 1 else ())
        )

    def _zero(self, name: str) -> np.ndarray:
        return self._constants[name] if name else np.zeros((), np.uint8)

    def _range(self, scale: str, zero: str) -> tuple[str, str]:
        """Return the names of the smallest and the largest value that an 8-bit tensor can have."""
        offset, factor = self._zero(zero), float(self._constants[scale])
        limits = np.iinfo(offset.dtype)
        low, high = ((limit - int(offset)) * factor for limit in (limits.min, limits.max))
        return (
            self._constant(f"{scale}.{zero}.low", np.float32(low)),
            self._constant(f"{scale}.{zero}.high", np.float32(high)),
        )

    def _add(
        self, operation: str, inputs: list[str], output: str, scale: str, zero: str, **attributes: Any
    ) -> None:
        """Add an operation whose result stays in the range of its 8-bit numbers."""
        raw = self._node(operation, inputs, f"{output}.raw", **attributes)
        self._node("Clip", [raw, *self._range(scale, zero)], output)
        self._quantized.add(output)

    def _node(self, operation: str, inputs: list[str], output: str, **attributes: Any) -> str:
        if output not in self._made:
            self._made.add(output)
            self._nodes.append(self._onnx.helper.make_node(operation, inputs, [output], **attributes))
        return output

    def _constant(self, name: str, values: np.ndarray | np.float32) -> str:
        self._added.setdefault(
            name, self._onnx.numpy_helper.from_array(np.asarray(values).astype(self._type), name)
        )
        return name
