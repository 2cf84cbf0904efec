"""What a network says of a mirrored crop, taken back to the crop."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from tddfa.morphable.model import MorphableModel
from tddfa_train.alignment.network import AlignmentNetwork, FaceOutput
from tddfa_train.point_model import camera_from_six


@dataclass(frozen=True, slots=True)
class Mirror:
    """How the numbers of a face change when its crop is mirrored left to right.

    Attributes:
        identity_sign: what each identity coefficient is multiplied with.
        expression_order: number of each expression's twin on the other side of the face.
    """

    identity_sign: Float[Tensor, " i"]
    expression_order: Int[Tensor, " e"]

    @classmethod
    def of(cls, model: MorphableModel) -> "Mirror":
        """The mirror of a face model with symmetric bases."""
        names = torch.arange(len(model.expression_names), dtype=torch.float32)
        params = model.params(identity=np.ones(model.n_identity, np.float32), expression=names.numpy())
        mirrored = model.mirrored(params, 1.0)
        return cls(torch.from_numpy(mirrored.identity), torch.from_numpy(mirrored.expression).long())

    def __call__(self, face: FaceOutput, side: int) -> FaceOutput:
        """The numbers of the same face in the mirrored crop."""
        camera = face.camera * torch.tensor([-1.0, 1.0, 1.0, 1.0], device=face.camera.device)
        first = -camera[:, :1] + torch.tensor([0.0, 0.0, 0.0, side - 1], device=face.camera.device)
        return FaceOutput(
            torch.cat([first, camera[:, 1:]], 1),
            face.identity * self.identity_sign,
            face.expression[:, self.expression_order],
            face.confidence,
        )


class MirroredNetwork(nn.Module):
    """Appearance at a crop and at its mirror image; the mean of both answers is better than either.

    What it says of a mirrored crop is, exactly, the mirrored face.

    Args:
        network: answers for one crop.
        mirror: of its face model.
    """

    def __init__(self, network: AlignmentNetwork, mirror: Mirror):
        super().__init__()
        self.network, self.mirror = network, mirror

    def forward(self, crops: Float[Tensor, "b 3 s s"]) -> FaceOutput:
        """Camera, coefficients and confidence of crops."""
        seen = self.network(crops)
        mirrored = self.mirror(self.network(crops.flip(3)), self.network.side)
        return FaceOutput(
            mean_camera(seen.camera, mirrored.camera),
            (seen.identity + mirrored.identity) / 2,
            (seen.expression + mirrored.expression) / 2,
            (seen.confidence + mirrored.confidence) / 2,
        )


def mean_camera(first: Float[Tensor, "b 3 4"], second: Float[Tensor, "b 3 4"]) -> Float[Tensor, "b 3 4"]:
    """The scaled orthographic camera between two: mean directions, geometric mean scale, mean shift."""
    lengths = first[:, :, :3].norm(dim=2), second[:, :, :3].norm(dim=2)
    rows = first[:, :2, :3] / lengths[0][:, :2, None] + second[:, :2, :3] / lengths[1][:, :2, None]
    log_scale = (lengths[0][:, 0].log() + lengths[1][:, 0].log()) / 2
    return camera_from_six(rows.flatten(1), log_scale, (first[:, :2, 3] + second[:, :2, 3]) / 2)
