"""A morphable model as tensors: camera and coefficients in, points out, with gradients."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from tddfa.morphable.landmarks import LandmarkSet
from tddfa.morphable.model import MorphableModel


class PointModel(nn.Module):
    """Points on the surface of a `MorphableModel`, on many faces at once.

    Args:
        model: the face model; its lids close as in the library.
        points: the points, weighted means of base vertices.
    """

    mean: Float[Tensor, "n 3"]
    basis: Float[Tensor, "k n*3"]
    gap_mean: Float[Tensor, "g 3"]
    gap_basis: Float[Tensor, "k g*3"]
    gap_blink: Int[Tensor, " g"]
    blink_gaps: Float[Tensor, "g 3"]
    spread: Float[Tensor, "n g"]

    def __init__(self, model: MorphableModel, points: LandmarkSet):
        super().__init__()
        basis = np.concatenate([model.identity_basis, model.expression_basis], axis=2)
        self.n_identity, self.n_expression = model.n_identity, model.n_expression
        self._keep("mean", points.positions(model.mean))
        self._keep("basis", points.positions(basis).reshape(-1, basis.shape[2]).T)
        lids = model.eyelids
        self.has_lids = lids is not None
        if lids is not None:
            gaps = LandmarkSet(lids.gap_vertices, lids.gap_weights)
            self._keep("gap_mean", gaps.positions(model.mean))
            self._keep("gap_basis", gaps.positions(basis).reshape(-1, basis.shape[2]).T)
            blink = np.array(lids.blink)
            self._keep("gap_blink", blink[lids.gap_eye])
            self._keep("blink_gaps", gaps.positions(model.expression_basis[..., blink].sum(-1)))
            self._keep("spread", lids.shares(points, len(model.mean)))

    def _keep(self, name: str, value: np.ndarray) -> None:
        kind = np.int64 if np.issubdtype(value.dtype, np.integer) else np.float32
        self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(value, kind)), persistent=False)

    def shape(
        self, identity: Float[Tensor, "b i"], expression: Float[Tensor, "b e"]
    ) -> Float[Tensor, "b n 3"]:
        """Points in the model frame, mm."""
        coefficients = torch.cat([identity, expression], 1)
        points = self.mean + (coefficients @ self.basis).view(len(identity), -1, 3)
        if not self.has_lids:
            return points
        gaps = self.gap_mean + (coefficients @ self.gap_basis).view(len(identity), -1, 3)
        closed = expression[:, self.gap_blink].clamp(0, 1)[..., None]
        return points + self.spread @ (closed * (gaps + (1 - closed) * self.blink_gaps))

    def forward(
        self, camera: Float[Tensor, "b 3 4"], identity: Float[Tensor, "b i"], expression: Float[Tensor, "b e"]
    ) -> Float[Tensor, "b n 3"]:
        """Points where the camera shows them, px."""
        return project(camera, self.shape(identity, expression))


def project(camera: Float[Tensor, "b 3 4"], points: Float[Tensor, "b n 3"]) -> Float[Tensor, "b n 3"]:
    """Model frame to image frame."""
    return points @ camera[:, :, :3].transpose(1, 2) + camera[:, None, :, 3]


def camera_from_six(
    rotation: Float[Tensor, "b 6"], log_scale: Float[Tensor, "b"], shift: Float[Tensor, "b 2"]
) -> Float[Tensor, "b 3 4"]:
    """The scaled orthographic camera whose first two rows point along two given vectors.

    Args:
        rotation: two vectors; the first keeps its direction, the second loses what it shares with the first.
        log_scale: of pixels per mm.
        shift: where the model's origin lies, px.

    Source: Zhou et al., "On the Continuity of Rotation Representations in Neural Networks", CVPR 2019.
    """
    first = nn.functional.normalize(rotation[:, :3], dim=1)
    second = rotation[:, 3:] - (first * rotation[:, 3:]).sum(1, keepdim=True) * first
    second = nn.functional.normalize(second, dim=1)
    rows = torch.stack([first, second, torch.linalg.cross(first, second)], 1)
    linear = rows * log_scale.exp()[:, None, None]
    return torch.cat([linear, torch.cat([shift, torch.zeros_like(shift[:, :1])], 1)[..., None]], 2)
