"""The close-ups' network as ONNX, and where its views lie as arrays."""

import io
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn

from tddfa.morphable import MorphableModel, open_face_model
from tddfa.regression.closeups import CloseUps
from tddfa_train.data.answers import FIRST_ANSWER
from tddfa_train.export.byte_storage import byte_storage
from tddfa_train.export.fuse import fused
from tddfa_train.export.int8 import PERCENTILE, quantized
from tddfa_train.export.short_names import shortened
from tddfa_train.export.uint8_input import reading_bytes
from tddfa_train.export.widen import widened
from tddfa_train.expressions.batches import CloseUpBatches
from tddfa_train.expressions.network import (
    IDENTITY_UNIT,
    LOG_SCALE,
    N_POSE,
    SHIFT_MM,
    TURN,
    VIEWS,
    CloseUpNetwork,
    FirstAnswer,
)
from tddfa_train.expressions.recipe import CloseUpRecipe
from tddfa_train.expressions.views import HEIGHT, WIDTH

N_ROTATION = 6
"""Numbers of the state that say how a face is turned; they come first."""

_OUTPUTS = ("pose", "identity", "expression")
_PERSON = "person"
# Names of the nodes that run on integers. The layer that joins them stays in floats: it has a hundredth of
# the work, and with integers there a still face in noise shakes by .23 % of its size a frame instead of .12,
# the NME is .02 larger and the head's pose .04 degrees farther off.
_TRUNKS = "/eyes/", "/mouth/", "/face/"


@dataclass(frozen=True, slots=True)
class Trust:
    """How much of each correction is taken over.

    Attributes:
        turn: of the turn about x, y and z.
        place: of scale and shift.
        identity: of the identity.
        identity_shift: what is added to every identity.
        facing: cosines of the angle between the face and the viewer: from the first one down, the first
            answer stays as it is, from the second one up, all of this network's is taken over. The views of a
            head that is turned away show little.
        shown: the same for the expressions, which are seen for longer.
        stretch: by the start of an expression's name, a gain and a rest: w becomes gain · (w − rest). A
            regression of what is hard to see answers less than it sees, and has a little of it at rest.
    """

    turn: tuple[float, float, float] = (1.0, 1.0, 1.0)
    place: float = 1.0
    identity: float = 1.0
    identity_shift: Float32[np.ndarray, " i"] | None = None
    facing: tuple[float, float] = (-2.0, -1.0)
    shown: tuple[float, float] = (-2.0, -1.0)
    stretch: Mapping[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])


def _stretch(stretch: Mapping[str, tuple[float, float]]) -> tuple[Tensor, Tensor]:
    """Return gain and rest of each expression."""
    names = open_face_model(level=0).expression_names
    plain = (1.0, 0.0)
    pairs = [next((v for k, v in stretch.items() if name.startswith(k)), plain) for name in names]
    gain, rest = torch.tensor(pairs).unbind(1)
    return gain, rest


class _Trunks(nn.Module):
    """The part that reads the views, on bytes.

    Args:
        network: trained.
        unread: views of which the network reads nothing; they are left out, and what follows of them.
    """

    def __init__(self, network: CloseUpNetwork, unread: Collection[str]):
        super().__init__()
        config = network.config
        self.tall, self.narrow = config.eyes_size[0], config.mouth_size[1]
        sizes = {"eyes": config.eyes_size, "mouth": config.mouth_size, "face": config.face_size}
        self.read = [name for name in VIEWS if name not in unread]
        for name in self.read:
            setattr(self, name, reading_bytes(network.view(name), sizes[name]))
        features = torch.arange(len(VIEWS) * config.feature).split(config.feature)
        self.columns = torch.cat([features[VIEWS.index(name)] for name in self.read])
        self.n_features = len(VIEWS) * config.feature

    def seen(self, views: Tensor) -> Tensor:
        below = views[:, self.tall :]
        shown = {
            "eyes": views[:, : self.tall],
            "mouth": below[:, :, : self.narrow],
            "face": below[:, :, self.narrow :],
        }
        return torch.cat([getattr(self, name)(shown[name]) for name in self.read], 1)

    def reading(self, layer: nn.Linear, before: int, after: int) -> nn.Linear:
        """Return a layer without what it had for the views that are left out.

        Args:
            layer: of inputs, the features of all views, and more inputs.
            before: number of the inputs.
            after: number of those of the inputs behind the features that are kept.
        """
        behind = torch.arange(before + self.n_features, before + self.n_features + after)
        kept = torch.cat([torch.arange(before), before + self.columns, behind])
        out = nn.Linear(len(kept), layer.out_features)
        out.weight = nn.Parameter(layer.weight[:, kept].detach())
        out.bias = nn.Parameter(layer.bias.detach())
        return out


class _Outputs(_Trunks):
    """The network with outputs that need no further decoding."""

    unit: Tensor

    def __init__(self, network: CloseUpNetwork, trust: Trust, unread: Collection[str]):
        super().__init__(network, unread)
        head, self.parts = _decoding_head(network, trust)
        n_state = N_ROTATION + sum(self.parts[1:])
        self.join = self.reading(network.join, 0, n_state)
        self.head = self.reading(head, network.config.hidden, 0)
        self.person = None if network.person is None else self.reading(network.person, 0, 0)
        self.facing, self.shown = trust.facing, trust.shown
        unit = torch.ones(n_state)
        unit[N_ROTATION : N_ROTATION + network.n_identity] = IDENTITY_UNIT
        self.register_buffer("unit", unit)

    def forward(self, views: Tensor, state: Tensor) -> tuple[Tensor, ...]:
        seen = self.seen(views)
        joined = torch.relu(self.join(torch.cat([seen, state * self.unit], 1)))
        pose, identity, expression = self.head(torch.cat([joined, seen], 1)).split(self.parts, 1)
        # The third row of a rotation is the cross product of the others; its last number is the cosine.
        facing = state[:, 1:2] * state[:, 3:4] - state[:, 0:1] * state[:, 4:5]
        share, shown = (
            ((facing - least) / (most - least)).clamp(0, 1) for least, most in (self.facing, self.shown)
        )
        expression = shown * expression.clamp(0, 1) + (1 - shown) * state[:, -expression.shape[1] :]
        answers = share * pose, share * identity, expression
        if self.person is None:
            return answers
        first = state[:, N_ROTATION : N_ROTATION + identity.shape[1]]
        return *answers, share * self.person(seen) + (1 - share) * first


class _Following(_Trunks):
    """The network for faces of which the camera alone is known."""

    def __init__(self, network: CloseUpNetwork, trust: Trust, unread: Collection[str]):
        super().__init__(network, unread)
        head, self.parts = _decoding_head(network, trust)
        self.join = self.reading(network.join, 0, N_ROTATION)
        self.head = self.reading(head, network.config.hidden, 0)

    def forward(self, views: Tensor, rotation: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        seen = self.seen(views)
        joined = torch.relu(self.join(torch.cat([seen, rotation], 1)))
        pose, identity, expression = self.head(torch.cat([joined, seen], 1)).split(self.parts, 1)
        return pose, identity, expression.clamp(0, 1)


def _decoding_head(network: CloseUpNetwork, trust: Trust) -> tuple[nn.Linear, list[int]]:
    """Return the last layer with units, trust and stretch in its weights, and the lengths of its outputs."""
    n_identity, n_expression = network.n_identity, len(network.regressed)
    units = [TURN / 2] * 3 + [LOG_SCALE] + [SHIFT_MM] * 2
    taken = [*trust.turn, trust.place, trust.place, trust.place]
    pose = torch.tensor([unit * share for unit, share in zip(units, taken, strict=True)])
    scale = torch.cat([pose, torch.full((n_identity,), trust.identity), network.regressed])
    shift = torch.zeros(len(scale))
    if trust.identity_shift is not None:
        shift[N_POSE : N_POSE + n_identity] = torch.from_numpy(trust.identity_shift)
    gain, rest = _stretch(trust.stretch)
    shift[-n_expression:] -= gain * rest
    scale[-n_expression:] *= gain
    head = nn.Linear(network.head.in_features, network.head.out_features)
    head.weight = nn.Parameter((scale[:, None] * network.head.weight).detach())
    head.bias = nn.Parameter((scale * network.head.bias + shift).detach())
    return head, [N_POSE, n_identity, n_expression]


def export_closeups(network: CloseUpNetwork, trust: Trust = Trust(), unread: Collection[str] = ()) -> bytes:
    """ONNX: `input` (n, h, w, 3) RGB bytes and `state` (n, s) → `pose`, `identity`, `expression`.

    A network with a head for the identity of the person has its answer as a fourth output, `person`.

    Args:
        network: trained.
        trust: how much of its answers is taken over.
        unread: views of which it reads nothing, see `CloseUpNetwork.unread_views`. The file has the same
            answers without them, and takes less time.
    """
    module = _Outputs(network, trust, unread)
    outputs = _OUTPUTS if network.person is None else (*_OUTPUTS, _PERSON)
    return _exported(module, "state", len(module.unit), outputs)


def export_following(network: CloseUpNetwork, trust: Trust = Trust(), unread: Collection[str] = ()) -> bytes:
    """ONNX: `input` (n, h, w, 3) RGB bytes and `rotation` (n, 6) → `pose`, `identity`, `expression`."""
    return _exported(_Following(network, trust, unread), "rotation", N_ROTATION, _OUTPUTS)


def _exported(module: nn.Module, numbers: str, n_numbers: int, outputs: tuple[str, ...]) -> bytes:
    module = module.cpu().float().eval()
    example = (torch.zeros(2, HEIGHT, WIDTH, 3, dtype=torch.uint8), torch.zeros(2, n_numbers))
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            example,
            buffer,  # pyright: ignore[reportArgumentType]
            input_names=["input", numbers],
            output_names=list(outputs),
            dynamic_axes={name: {0: "batch"} for name in ("input", numbers, *outputs)},
            opset_version=17,
            dynamo=False,
        )
    return buffer.getvalue()


def int8_closeups(
    onnx_bytes: bytes,
    views: UInt8[np.ndarray, "n h w 3"],
    states: Float[np.ndarray, "n s"],
    *,
    numbers: str = "state",
    percentile: float = PERCENTILE,
) -> bytes:
    """The same network with its convolutions in int8, calibrated on training close-ups.

    Args:
        onnx_bytes: of either network.
        views: the close-ups.
        states: what is known of the faces; a network that reads rotations alone gets those.
        numbers: name of that input.
        percentile: see `quantized`.
    """
    if numbers == "rotation":
        states = states[:, :N_ROTATION]
    chunks = [
        {"input": views[k : k + 32], numbers: states[k : k + 32].astype(np.float32)}
        for k in range(0, len(views), 32)
    ]
    data = quantized(onnx_bytes, chunks, lambda node: node.startswith(_TRUNKS), percentile)
    return shortened(widened(fused(byte_storage(data, "person.weight"))))


def calibration_closeups(
    recipe: CloseUpRecipe, model: MorphableModel, count: int = 384
) -> tuple[UInt8[np.ndarray, "n h w 3"], Float32[np.ndarray, "n s"]]:
    """Take augmented training close-ups and the states of their first answers; never evaluation data."""
    steps = -(-count // recipe.data.batch_size)
    data = CloseUpBatches(recipe.data, recipe.view, steps, model)
    batches = [data[step] for step in range(steps)]
    states = [
        FirstAnswer(*(torch.from_numpy(np.asarray(batch[key])) for key in FIRST_ANSWER)).numbers().numpy()
        for batch in batches
    ]
    return np.concatenate([batch["crop"] for batch in batches])[:count], np.concatenate(states)[:count]


def closeup_arrays(closeups: CloseUps) -> dict[str, Float32[np.ndarray, "h w 3"]]:
    """The arrays that a pack keeps."""
    return {"eyes": closeups.eyes, "mouth": closeups.mouth, "face": closeups.face}
