"""The network that ships: crop → camera, identity, expression, confidence."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from tddfa_train.point_model import camera_from_six

N_CAMERA = 9  # two vectors for the rotation, log scale, shift
# Raw zeros mean: a face that looks at the camera, fills √½ of the crop, has the mean shape and rests.
_FRONTAL = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
_LEAK = 0.1  # slope of the expressions outside [0, 1] while training: a clamp alone has no gradient there


@dataclass(frozen=True, slots=True)
class FaceOutput:
    """What the network says of crops, in the crop's pixels.

    Attributes:
        camera: `crop_from_model`.
        identity: coefficients.
        expression: coefficients, linear in the network's feature: `unit_range` makes weights of them.
        confidence: logit of "this crop is a well-framed face".
        points: landmarks read from the feature without the model, px, while training with such a head.
    """

    camera: Float[Tensor, "b 3 4"]
    identity: Float[Tensor, "b i"]
    expression: Float[Tensor, "b e"]
    confidence: Float[Tensor, "b"]
    points: Float[Tensor, "b p 2"] | None = None

    def weights(self) -> Float[Tensor, "b e"]:
        """Return the expression weights in [0, 1], with a gradient outside as well."""
        return unit_range(self.expression)


def unit_range(value: Tensor, leak: float = _LEAK) -> Tensor:
    """Clamp to [0, 1] but for a small slope outside, so that an expression at rest can still be learned."""
    inside = value.clamp(0, 1)
    return inside + leak * (value - inside)


@dataclass(frozen=True, slots=True)
class Affine:
    """x → scale · x + shift, number by number."""

    scale: Float[Tensor, " p"]
    shift: Float[Tensor, " p"]


class AlignmentNetwork(nn.Module):
    """A trunk with one linear head for all numbers.

    Args:
        trunk: crop → feature.
        feature: length of the feature.
        n_identity: identity coefficients of the face model.
        regressed: which expressions are estimated; the others stay 0.
        side: of the crop, px.
        scale: pixels per millimetre of a face that fills the crop as trackers cut it.
        hidden: units of a hidden layer from which coefficients are corrected: how points move with an
            expression depends on the pose, which one linear layer cannot express. 0: none.
        n_points: landmarks that a second head reads from the feature while training, so that the trunk
            learns where things are (landmark-regression regularisation). It is not exported.
    """

    regressed: Float[Tensor, " e"]
    frontal: Float[Tensor, "6"]
    scale: Float[Tensor, " p"]
    shift: Float[Tensor, " p"]

    def __init__(
        self,
        trunk: nn.Module,
        feature: int,
        n_identity: int,
        regressed: Bool[Tensor, "e"],
        side: int = 120,
        scale: float = 0.56,
        hidden: int = 0,
        n_points: int = 0,
    ):
        super().__init__()
        self.trunk = trunk
        self.n_identity, self.side, self.log_scale = n_identity, side, math.log(scale)
        self.register_buffer("regressed", regressed.float(), persistent=False)
        self.register_buffer("frontal", torch.tensor(_FRONTAL), persistent=False)
        self.head = nn.Linear(feature, N_CAMERA + n_identity + len(regressed) + 1)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)
        self.coefficients: nn.Sequential | None = None
        if hidden:
            last = nn.Linear(hidden, n_identity + len(regressed))
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            self.coefficients = nn.Sequential(nn.Linear(feature, hidden), nn.ReLU(), last)
        self.points = nn.Linear(feature, 2 * n_points) if n_points else None
        affine = self.affine_decoding()
        self.register_buffer("scale", affine.scale, persistent=False)
        self.register_buffer("shift", affine.shift, persistent=False)

    def affine_decoding(self) -> Affine:
        """What every raw number is multiplied with, and what is added, before anything else is done to it."""
        numbers = self.head.out_features
        scale, shift = torch.ones(numbers), torch.zeros(numbers)
        shift[:6] = self.frontal
        scale[6], shift[6] = 0.5, self.log_scale
        scale[7:9], shift[7:9] = self.side / 2, (self.side - 1) / 2
        expression = slice(N_CAMERA + self.n_identity, numbers - 1)
        scale[expression] = self.regressed
        return Affine(scale, shift)

    def decode(self, raw: Float[Tensor, "b p"]) -> FaceOutput:
        """Raw numbers as camera, coefficients and confidence."""
        numbers = raw * self.scale + self.shift
        n = N_CAMERA + self.n_identity
        camera = camera_from_six(numbers[:, :6], numbers[:, 6], numbers[:, 7:9])
        return FaceOutput(camera, numbers[:, N_CAMERA:n], numbers[:, n:-1], numbers[:, -1])

    def forward(self, crops: Float[Tensor, "b 3 s s"]) -> FaceOutput:
        """Camera, coefficients and confidence of crops."""
        feature = self.trunk(crops).float()
        with torch.autocast(crops.device.type, enabled=False):
            face = self.decode(self.raw(feature))
            if self.points is None or not self.training:
                return face
            points = self.points(feature).view(len(feature), -1, 2)
            return replace(face, points=points * (self.side / 2) + (self.side - 1) / 2)

    def raw(self, feature: Float[Tensor, "b f"]) -> Float[Tensor, "b p"]:
        """Compute the numbers that `decode` reads."""
        numbers = self.head(feature)
        if self.coefficients is None:
            return numbers
        return numbers + nn.functional.pad(self.coefficients(feature), (N_CAMERA, 1))
