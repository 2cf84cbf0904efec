"""The network of the close-ups: views and a first answer → expressions, and corrections of the rest."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from tddfa_train.alignment.network import FaceOutput
from tddfa_train.networks.dense import ResidualBlock, conv

N_POSE = 6
"""Turn about x, y and z, log scale, shift in x and y."""
TURN, LOG_SCALE, SHIFT_MM = 0.1, 0.1, 5.0
"""Units of the network's numbers: radians, one, mm."""
IDENTITY_UNIT = 2.0
"""By which the identity of a first answer is multiplied: it varies less than the other numbers."""
VIEWS = "eyes", "mouth", "face"
"""The views, in the order of their features."""
_ANEW_GAIN = 6.0
"""Of the layer behind the convolutions of a view that starts anew; trained ones give small numbers."""


@dataclass(frozen=True, slots=True)
class CloseUpConfig:
    """Sizes of the network.

    Attributes:
        eyes_size: height and width of the view of the eyes, px.
        mouth_size: height and width of the view of the mouth, px.
        face_size: height and width of the view of the face, px.
        widths: channels after each halving.
        blocks: residual blocks after each halving.
        squeeze: channels of the last map, which is flattened: it keeps where, not only what.
        feature: length of the feature of each view.
        hidden: units of the layer that joins both and the first answer.
        inner: channels within the blocks of each halving; () or 0: those around them.
        normalized: with batch norms; without, they are folded into the convolutions before them.
    """

    eyes_size: tuple[int, int] = (56, 128)
    mouth_size: tuple[int, int] = (72, 80)
    face_size: tuple[int, int] = (72, 48)
    widths: tuple[int, ...] = (16, 32, 64)
    blocks: tuple[int, ...] = (0, 1, 1)
    squeeze: int = 16
    feature: int = 256
    hidden: int = 384
    inner: tuple[int, ...] = ()
    normalized: bool = True

    def with_blocks_of(self, weights: Mapping[str, Tensor]) -> "CloseUpConfig":
        """Return these sizes with `inner` and `normalized` as weights have them."""
        inner: list[int] = []
        number = 0  # of the layer in the body of a view
        for channels, count in zip(self.widths, self.blocks, strict=True):
            first = weights.get(f"eyes.body.{number + 1}.first.0.weight") if count else None
            inner.append(0 if first is None or len(first) == channels else len(first))
            number += 1 + count
        return replace(
            self,
            inner=tuple(inner) if any(inner) else (),
            normalized="eyes.body.0.1.running_mean" in weights,
        )


class View(nn.Module):
    """One view becomes a feature.

    Args:
        config: sizes.
        size: height and width of the view, px.
    """

    def __init__(self, config: CloseUpConfig, size: tuple[int, int]):
        super().__init__()
        normalized = config.normalized
        layers: list[nn.Module] = []
        inputs = 3
        height, width = size
        within = config.inner or (0,) * len(config.widths)
        for channels, count, inner in zip(config.widths, config.blocks, within, strict=True):
            layers.append(conv(inputs, channels, stride=2, normalized=normalized))
            layers += [ResidualBlock(channels, inner, normalized=normalized) for _ in range(count)]
            inputs, height, width = channels, -(-height // 2), -(-width // 2)
        self.body = nn.Sequential(*layers, conv(inputs, config.squeeze, kernel=1, normalized=normalized))
        self.project = nn.Linear(config.squeeze * height * width, config.feature)

    def forward(self, view: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b f"]:
        """Compute the feature of a view."""
        return torch.relu(self.project(self.body(view).flatten(1)))


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """What is known of a face before its close-ups are read.

    Attributes:
        camera: px from mm; the views were sampled through it.
        identity: coefficients.
        expression: weights.
    """

    camera: Float[Tensor, "b 3 4"]
    identity: Float[Tensor, "b i"]
    expression: Float[Tensor, "b e"]

    def numbers(self) -> Float[Tensor, "b s"]:
        """Return what the network reads beside the views, as `tddfa.regression.expressions.state` has it."""
        rows = self.camera[:, :2, :3]
        rows = rows / rows[:, :1].norm(dim=2, keepdim=True)
        return torch.cat([rows.flatten(1), self.identity, self.expression], 1)

    def state(self) -> Float[Tensor, "b s"]:
        """Return the same in the network's units."""
        rotation, identity, expression = self.numbers().split(
            [6, self.identity.shape[1], self.expression.shape[1]], 1
        )
        return torch.cat([rotation, IDENTITY_UNIT * identity, expression], 1)


class CloseUpNetwork(nn.Module):
    """Small trunks, one for each view, and a head that knows the first answer.

    Args:
        config: sizes.
        n_identity: identity coefficients of the face model.
        regressed: which expressions are estimated; the others stay 0.
        n_points: landmarks that a second head reads while training, relative to where the first answer has
            them at rest. It is not exported.
        person: with a head that reads the identity of the person from the views alone, see
            `tddfa_train.expressions.person`.
        n_embedding: numbers by which another network tells people apart, which a head reads from the views
            while training. It is not exported.
    """

    regressed: Float[Tensor, " e"]

    def __init__(
        self,
        config: CloseUpConfig,
        n_identity: int,
        regressed: Bool[Tensor, "e"],
        n_points: int = 0,
        *,
        person: bool = False,
        n_embedding: int = 0,
    ):
        super().__init__()
        self.config, self.n_identity = config, n_identity
        self.register_buffer("regressed", regressed.float(), persistent=False)
        sizes = config.eyes_size, config.mouth_size, config.face_size
        self.eyes, self.mouth, self.face = (View(config, size) for size in sizes)
        n_state = 6 + n_identity + len(regressed)
        self.join = nn.Linear(3 * config.feature + n_state, config.hidden)
        self.head = nn.Linear(config.hidden + 3 * config.feature, N_POSE + n_identity + len(regressed))
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)
        self.points = nn.Linear(config.hidden + 3 * config.feature, 2 * n_points) if n_points else None
        self.person = nn.Linear(3 * config.feature, n_identity) if person else None
        self.embedding = nn.Linear(3 * config.feature, n_embedding) if n_embedding else None
        self._still: tuple[str, ...] = ()

    def view(self, name: str) -> nn.Module:
        """Return what computes the features of one of `VIEWS`."""
        return {"eyes": self.eyes, "mouth": self.mouth, "face": self.face}[name]

    @torch.no_grad()
    def begin_anew(self, name: str) -> None:
        """Let a view start anew in a trained network, whose answers do not read it until it is trained.

        Its convolutions become those of another view: they know faces.
        """
        other, own = self.view("eyes" if name == "mouth" else "mouth"), self.view(name)
        assert isinstance(other, View)
        assert isinstance(own, View)
        own.body.load_state_dict(other.body.state_dict())
        nn.init.kaiming_normal_(own.project.weight).mul_(_ANEW_GAIN)
        nn.init.zeros_(own.project.bias)
        readers = (self.join, 0), (self.head, self.config.hidden), (self.points, self.config.hidden)
        for layer, n_before in readers:
            if layer is not None:
                first = n_before + VIEWS.index(name) * self.config.feature
                layer.weight[:, first : first + self.config.feature] = 0

    @torch.no_grad()
    def unread_views(self, closeups: Float[Tensor, "b 3 h w"]) -> list[str]:
        """Return the views all of whose features are 0 for all faces: they died in training."""
        seen = self.seen(closeups).split(self.config.feature, 1)
        return [name for name, feature in zip(VIEWS, seen, strict=True) if not feature.any()]

    def hold_still(self, names: tuple[str, ...]) -> None:
        """Keep some of `VIEWS` as they are, also the norms of their batches."""
        self._still = names
        for name in names:
            self.view(name).requires_grad_(False)
        self.train(self.training)

    def hold_heads_still(self) -> None:
        """Keep all but the views as it is."""
        for layer in (self.join, self.head, self.points, self.person, self.embedding):
            if layer is not None:
                layer.requires_grad_(False)

    def train(self, mode: bool = True) -> "CloseUpNetwork":
        """See `nn.Module.train`; views that are held still stay as in use."""
        super().train(mode)
        for name in self._still:
            self.view(name).eval()
        return self

    def split(self, closeups: Float[Tensor, "b 3 h w"]) -> dict[str, Float[Tensor, "b 3 y x"]]:
        """Return the views, by name, of which close-ups are made."""
        (tall, _), (_, narrow) = self.config.eyes_size, self.config.mouth_size
        return {
            "eyes": closeups[:, :, :tall],
            "mouth": closeups[:, :, tall:, :narrow],
            "face": closeups[:, :, tall:, narrow:],
        }

    def seen(self, closeups: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b f"]:
        """Compute the features of the views, which are one image."""
        views = self.split(closeups)
        return torch.cat([self.view(name)(views[name]) for name in VIEWS], 1)

    def joined(self, seen: Float[Tensor, "b f"], first: FirstAnswer) -> Float[Tensor, "b g"]:
        """Compute what the heads read of the features of the views."""
        return torch.cat([torch.relu(self.join(torch.cat([seen, first.state()], 1))), seen], 1)

    def feature(self, closeups: Float[Tensor, "b 3 h w"], first: FirstAnswer) -> Float[Tensor, "b f"]:
        """Compute what the heads read."""
        seen = self.seen(closeups).float()
        with torch.autocast(closeups.device.type, enabled=False):
            return self.joined(seen, first)

    def forward(self, closeups: Float[Tensor, "b 3 h w"], first: FirstAnswer) -> FaceOutput:
        """Read the expressions and correct the rest."""
        feature = self.feature(closeups, first)
        with torch.autocast(closeups.device.type, enabled=False):
            return self.decode(self.head(feature), first)

    def decode(self, raw: Float[Tensor, "b p"], first: FirstAnswer) -> FaceOutput:
        """Put the network's numbers on top of the first answer; the expressions are its own."""
        n = N_POSE + self.n_identity
        camera = corrected(first.camera, raw[:, :N_POSE])
        return FaceOutput(
            camera,
            first.identity + raw[:, N_POSE:n],
            raw[:, n:] * self.regressed,
            raw.new_full(raw.shape[:1], 10.0),
        )


def corrected(camera: Float[Tensor, "b 3 4"], raw: Float[Tensor, "b 6"]) -> Float[Tensor, "b 3 4"]:
    """Turn, scale and shift what a camera shows, about the model's origin.

    Args:
        camera: px from mm.
        raw: turn about x, y and z of the image (Cayley's parameters), log scale and shift, in the network's
            units.
    """
    a, b, c = (TURN / 2 * raw[:, :3]).unbind(1)
    norm = 1 + a * a + b * b + c * c
    # Source: Cayley's rational form of a rotation; it needs no sines.
    rows = [
        1 + a * a - b * b - c * c, 2 * (a * b - c), 2 * (a * c + b),
        2 * (a * b + c), 1 - a * a + b * b - c * c, 2 * (b * c - a),
        2 * (a * c - b), 2 * (b * c + a), 1 - a * a - b * b + c * c,
    ]  # fmt: skip
    turn = (torch.stack(rows, 1) / norm[:, None]).view(-1, 3, 3)
    size = camera[:, :1, :3].square().sum(2, keepdim=True).sqrt()
    linear = turn @ camera[:, :, :3] * (LOG_SCALE * raw[:, 3]).exp()[:, None, None]
    shift = nn.functional.pad(SHIFT_MM * raw[:, 4:6], (0, 1))[..., None] * size
    return torch.cat([linear, camera[:, :, 3:] + shift], 2)
