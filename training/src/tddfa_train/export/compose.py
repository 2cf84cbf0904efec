"""Two alignment networks in one ONNX file: one for pose and identity, one for expressions.

A network that is taught expressions for hours loses some of the pose that another was taught for longer.
Side by side they read the same crop, and the file answers like any other alignment network.
"""

import io
import warnings
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

_OUTPUTS = ("camera", "identity", "expression", "confidence")


@dataclass(frozen=True, slots=True)
class Blend:
    """How the answers of two networks become one.

    Attributes:
        share: of the second network in camera and identity.
        identity_shift: what is added to the identity. Two networks split a face between identity and
            expression differently; the shift is what they differ by on faces at rest.
    """

    share: float
    identity_shift: Float[Tensor, " i"]


class BlendFaces(nn.Module):
    """Blend two answers: cameras and identities of both, expressions of the second."""

    shift: Float[Tensor, " i"]

    def __init__(self, blend: Blend):
        super().__init__()
        self.share = blend.share
        self.register_buffer("shift", blend.identity_shift.float())

    def forward(
        self,
        camera: Float[Tensor, "b 3 4"],
        identity: Float[Tensor, "b i"],
        other_camera: Float[Tensor, "b 3 4"],
        other_identity: Float[Tensor, "b i"],
    ) -> tuple[Float[Tensor, "b 3 4"], Float[Tensor, "b i"]]:
        """Return the camera between two, and the identity."""
        w = self.share
        sizes = [(c[:, :, :3] * c[:, :, :3]).sum(2, keepdim=True).sqrt() for c in (camera, other_camera)]
        rows = (1 - w) * camera[:, :, :3] / sizes[0] + w * other_camera[:, :, :3] / sizes[1]
        first = _unit(rows[:, 0])
        second = rows[:, 1] - (first * rows[:, 1]).sum(1, keepdim=True) * first
        second = _unit(second)
        # The cross product by its columns: exported as plain products.
        a, b = first[:, [1, 2, 0]], second[:, [2, 0, 1]]
        third = a * b - first[:, [2, 0, 1]] * second[:, [1, 2, 0]]
        scale = torch.exp((1 - w) * sizes[0][:, :1].log() + w * sizes[1][:, :1].log())
        shift = (1 - w) * camera[:, :, 3:] + w * other_camera[:, :, 3:]
        blended = torch.cat([torch.stack([first, second, third], 1) * scale, shift], 2)
        return blended, (1 - w) * identity + w * other_identity + self.shift


def _unit(vector: Float[Tensor, "b 3"]) -> Float[Tensor, "b 3"]:
    return vector / (vector * vector).sum(1, keepdim=True).sqrt()


def compose(pose: bytes, expressions: bytes, blend: Blend) -> bytes:
    """Join two exported alignment networks.

    Args:
        pose: ONNX whose camera, identity and confidence lead.
        expressions: ONNX whose expressions are taken.
        blend: how much of the second network's camera and identity.

    Returns:
        ONNX with the same input and outputs as either.
    """
    import onnx
    from onnx import compose as join
    from onnx import helper

    first, second = onnx.load_from_string(pose), onnx.load_from_string(expressions)
    mixer = onnx.load_from_string(_export_blend(blend))
    version = max(model.ir_version for model in (first, second, mixer))
    for model, prefix in ((first, "pose/"), (second, "expressions/"), (mixer, "blend/")):
        join.add_prefix(model, prefix, inplace=True)
        model.ir_version = version
    both = join.merge_models(first, second, io_map=[])
    links = [
        ("pose/camera", "blend/camera"),
        ("pose/identity", "blend/identity"),
        ("expressions/camera", "blend/other_camera"),
        ("expressions/identity", "blend/other_identity"),
    ]
    kept = ["expressions/expression", "pose/confidence", "blend/blended", "blend/summed"]
    whole = join.merge_models(both, mixer, io_map=links, outputs=kept)
    graph = whole.graph
    names = dict(zip(["blend/blended", "blend/summed", *kept[:2]], _OUTPUTS, strict=True))
    shapes = {value.name: value for value in graph.output}
    # One input for both networks, and the names and the order that alignment networks have.
    graph.node.extend(helper.make_node("Identity", [old], [new]) for old, new in names.items())
    outputs = []
    for old, new in names.items():
        value = onnx.ValueInfoProto()
        value.CopyFrom(shapes[old])
        value.name = new
        outputs.append(value)
    source = onnx.ValueInfoProto()
    source.CopyFrom(graph.input[0])
    source.name = "input"
    feeds = [helper.make_node("Identity", ["input"], [value.name]) for value in graph.input]
    nodes = [*feeds, *graph.node]
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend(nodes)
    graph.input.append(source)
    graph.output.extend(outputs)
    _use_one_batch(whole)
    onnx.checker.check_model(whole)
    return whole.SerializeToString()


def _use_one_batch(model: object) -> None:
    """Call the first axis of every input and output `batch`."""
    for value in (*model.graph.input, *model.graph.output):  # pyright: ignore
        value.type.tensor_type.shape.dim[0].dim_param = "batch"


def _export_blend(blend: Blend) -> bytes:
    buffer = io.BytesIO()
    n_identity = len(blend.identity_shift)
    example = (torch.eye(3, 4).repeat(2, 1, 1), torch.zeros(2, n_identity)) * 2
    names = ["camera", "identity", "other_camera", "other_identity"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            BlendFaces(blend).eval(),
            example,
            buffer,  # pyright: ignore[reportArgumentType]
            input_names=names,
            output_names=["blended", "summed"],
            dynamic_axes={name: {0: "batch"} for name in (*names, "blended", "summed")},
            opset_version=17,
            dynamo=False,
        )
    return buffer.getvalue()
