"""Trained networks as ONNX, and the proof that both say the same."""

import copy
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from tddfa.files import atomic_write
from tddfa.packs.convert.networks import faceboxes, normalised_state
from tddfa_train.alignment.mirror import Mirror, MirroredNetwork
from tddfa_train.alignment.network import N_CAMERA, AlignmentNetwork, FaceOutput
from tddfa_train.detector.faceboxes import FaceBoxesNetwork
from tddfa_train.detector.network import FaceDetector
from tddfa_train.export.uint8_input import reading_bytes
from tddfa_train.landmarks.task import network_input

_OPSET = 17


class _AlignmentOutputs(nn.Module):
    """The network with outputs that need no further decoding, in as few operations as possible.

    What `AlignmentNetwork.decode` adds and multiplies is folded into the head's weights here.
    """

    cross: Float[Tensor, "9 3"]
    order: Int[Tensor, " p"]
    columns: Int[Tensor, " w"]
    sign: Float[Tensor, " p"]
    offset: Float[Tensor, " p"]

    def __init__(self, network: AlignmentNetwork | MirroredNetwork):
        super().__init__()
        mirror = network.mirror if isinstance(network, MirroredNetwork) else None
        network = network.network if isinstance(network, MirroredNetwork) else network
        self.trunk = reading_bytes(network.trunk, (network.side, network.side))
        affine = network.affine_decoding()
        weight, bias = (
            affine.scale[:, None] * network.head.weight,
            affine.scale * network.head.bias + affine.shift,
        )
        n_camera = N_CAMERA
        zero = torch.zeros_like(weight[:1])  # the shift in depth
        self.head = nn.Linear(weight.shape[1], weight.shape[0] + 1)
        self.head.weight = nn.Parameter(torch.cat([weight[:n_camera], zero, weight[n_camera:]]).detach())
        self.head.bias = nn.Parameter(torch.cat([bias[:n_camera], zero[:, 0], bias[n_camera:]]).detach())
        n_expression = weight.shape[0] - n_camera - network.n_identity - 1
        self.coefficients = self._scaled_coefficients(network, affine.scale)
        # (a × b)_k = Σ ε_ijk a_i b_j, as one product with all a_i b_j.
        cross = torch.zeros(3, 3, 3)
        for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
            cross[i, j, k], cross[j, i, k] = 1.0, -1.0
        self.register_buffer("cross", cross.reshape(9, 3))
        self.parts = [3, 3, 1, 3, network.n_identity, n_expression, 1]
        self.mirrored = mirror is not None
        if mirror is not None:
            self._remember(mirror, network.side)

    @staticmethod
    def _scaled_coefficients(network: AlignmentNetwork, scale: Tensor) -> nn.Sequential | None:
        """Fold the decoding of identity and expression into the last layer of their correction."""
        if network.coefficients is None:
            return None
        layers = copy.deepcopy(network.coefficients)
        last = layers[-1]
        assert isinstance(last, nn.Linear)
        own = scale[N_CAMERA:-1]
        last.weight = nn.Parameter((own[:, None] * last.weight).detach())
        last.bias = nn.Parameter((own * last.bias).detach())
        return layers

    def _remember(self, mirror: Mirror, side: int) -> None:
        """What undoes the mirror, number by number: x → sign · x[order] + offset."""
        camera = torch.tensor([1.0, -1.0, -1.0, -1.0, 1.0, 1.0, 1.0, -1.0, 1.0, 1.0])
        numbers = self.head.out_features
        n_before = len(camera) + len(mirror.identity_sign)
        order, sign, offset = torch.arange(numbers), torch.ones(numbers), torch.zeros(numbers)
        order[n_before : numbers - 1] = n_before + mirror.expression_order
        sign[:n_before] = torch.cat([camera, mirror.identity_sign])
        offset[7] = side - 1
        # Mirrored columns are gathered, pixel by pixel: a slice that runs backwards goes byte by byte.
        columns = torch.arange(side - 1, -1, -1)
        for name, value in (("order", order), ("sign", sign), ("offset", offset), ("columns", columns)):
            self.register_buffer(name, value)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        if self.mirrored:
            crops = torch.cat([crops, crops.index_select(2, self.columns)])
        feature = self.trunk(crops)
        raw = self.head(feature)
        if self.coefficients is not None:
            raw = raw + nn.functional.pad(self.coefficients(feature), (N_CAMERA + 1, 1))
        if self.mirrored:
            seen, mirrored = raw.reshape(2, -1, self.head.out_features).unbind(0)
            raw = torch.stack([seen, mirrored[:, self.order] * self.sign + self.offset])
        first, second, log_scale, shift, identity, expression, confidence = raw.split(self.parts, dim=-1)
        first, second = _orthonormal(first, second)
        if self.mirrored:
            first, second = _orthonormal(first.mean(0), second.mean(0))
            log_scale, shift, identity, expression, confidence = (
                both.mean(0) for both in (log_scale, shift, identity, expression, confidence)
            )
        expression = expression.clamp(0, 1)  # after the mean: one look's doubt does not lift a face at rest
        products = first[:, :, None] * second[:, None, :]
        third = products.reshape(-1, 9) @ self.cross
        linear = torch.cat([first, second, third], 1) * log_scale.exp()
        camera = torch.cat([linear.reshape(-1, 3, 3), shift[:, :, None]], 2)
        return camera, identity, expression, torch.sigmoid(confidence[:, 0])


def _orthonormal(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Two unit vectors at right angles; the first keeps its direction."""
    first = first / first.norm(dim=-1, keepdim=True)
    second = second - (first * second).sum(-1, keepdim=True) * first
    return first, second / second.norm(dim=-1, keepdim=True)


class _DetectorOutputs(nn.Module):
    """All places in one list: the logit of a face, and the logarithms of the distances to its box's sides."""

    def __init__(self, network: FaceDetector):
        super().__init__()
        self.network = reading_bytes(network)

    def forward(self, images: Tensor) -> Tensor:
        assert isinstance(self.network, FaceDetector)
        return torch.cat([level.flatten(2) for level in self.network.raw_levels(images)], 2)


def _export(
    module: nn.Module, example: Tensor, outputs: tuple[str, ...], dynamic: dict[str, dict[int, str]]
) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            (example,),
            buffer,  # pyright: ignore[reportArgumentType]
            input_names=["input"],
            output_names=list(outputs),
            dynamic_axes=dynamic,
            opset_version=_OPSET,
            dynamo=False,
        )
    return buffer.getvalue()


def export_alignment(network: AlignmentNetwork | MirroredNetwork) -> bytes:
    """ONNX: `input` (n, s, s, 3) RGB bytes → `camera`, `identity`, `expression`, `confidence`."""
    names = ("camera", "identity", "expression", "confidence")
    side = network.network.side if isinstance(network, MirroredNetwork) else network.side
    example = torch.zeros(2, side, side, 3, dtype=torch.uint8)
    dynamic = {name: {0: "batch"} for name in ("input", *names)}
    return _export(_AlignmentOutputs(network).cpu().float(), example, names, dynamic)


def export_detector(network: FaceDetector) -> bytes:
    """ONNX: `input` (n, h, w, 3) RGB bytes, sides multiples of 64 → `places` (n, 5, m)."""
    dynamic = {"input": {1: "height", 2: "width"}, "places": {2: "places"}}
    example = torch.zeros(1, 128, 192, 3, dtype=torch.uint8)
    return with_any_batch(_export(_DetectorOutputs(network), example, ("places",), dynamic))


def with_any_batch(onnx_bytes: bytes) -> bytes:
    """The same network for any number of images; the tracer writes the one of its example into the graph.

    Args:
        onnx_bytes: a network with one input, whose first axis is 1 and stays the first.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load_from_string(onnx_bytes)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    shapes = {node.input[1] for node in model.graph.node if node.op_type == "Reshape"}
    constants = {
        node.output[0]: numpy_helper.to_array(node.attribute[0].t)
        for node in model.graph.node
        if node.op_type == "Constant" and node.attribute[0].name == "value"
    }
    zero = numpy_helper.from_array(np.zeros(1, np.int64), "batch_of_the_input")
    for node in model.graph.node:
        # A shape with unknown sides is put together; its first number is a constant of its own.
        first = (
            constants.get(node.input[0]) if node.op_type == "Concat" and node.output[0] in shapes else None
        )
        if first is not None and first.tolist() == [1]:
            node.input[0] = zero.name
    if any(zero.name in node.input for node in model.graph.node):
        model.graph.initializer.append(zero)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.name in shapes and len(values) > 2 and values[0] == 1:
            # 0 stands for the size of the same axis of the input.
            tensor.CopyFrom(numpy_helper.from_array(np.concatenate([[0], values[1:]]), tensor.name))
    del model.graph.value_info[:]
    return model.SerializeToString()


def export_faceboxes(network: FaceBoxesNetwork) -> bytes:
    """ONNX of the kind `faceboxes`: `input` (1, 3, h, w) → `offsets` (1, n, 4), `scores` (1, n)."""
    state = {key: value.detach().cpu().numpy() for key, value in network.state_dict().items()}
    return faceboxes(normalised_state(state))


def half_precision_storage(onnx_bytes: bytes, *, least: int = 64) -> bytes:
    """The same graph with its large weights stored as float16 and cast back when loaded: half the file.

    The runtime folds the casts once, so inference is as fast as before. Vectors stay as they are: they are
    short, and what the head adds to its numbers, such as the middle of the crop, would lose its decimals.

    Args:
        onnx_bytes: the network.
        least: numbers in an array that is worth it.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_from_string(onnx_bytes)
    casts: list[Any] = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.ndim < 2 or values.size < least:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*casts, *nodes])
    onnx.checker.check_model(model)
    return model.SerializeToString()


@dataclass(frozen=True, slots=True)
class Parity:
    """Largest differences between two engines on the same crops.

    Attributes:
        camera_px: of a point 100 mm from the model's origin, px of the crop.
        coefficient: of any coefficient.
        confidence: of the confidence.
    """

    camera_px: float
    coefficient: float
    confidence: float


def alignment_parity(
    network: AlignmentNetwork | MirroredNetwork, onnx_bytes: bytes, crops: UInt8[np.ndarray, "n s s 3"]
) -> Parity:
    """How far ONNX Runtime is from PyTorch in float32."""
    import onnxruntime

    session = onnxruntime.InferenceSession(onnx_bytes, providers=["CPUExecutionProvider"])
    theirs = [np.asarray(value) for value in session.run(None, {"input": crops})]
    with torch.no_grad():
        face: FaceOutput = network.eval()(network_input(torch.from_numpy(crops)))
    predicted = (face.camera, face.identity, face.expression.clamp(0, 1), torch.sigmoid(face.confidence))
    ours = [value.numpy() for value in predicted]
    camera, identity, expression, confidence = (np.abs(a - b) for a, b in zip(ours, theirs, strict=True))
    reach = camera[:, :, :3].sum(2) * 100 + camera[:, :, 3]
    return Parity(float(reach.max()), float(max(identity.max(), expression.max())), float(confidence.max()))


def write_network(path: Path, onnx_bytes: bytes) -> None:
    """Writes an ONNX file in one step."""
    atomic_write(path, onnx_bytes)
