"""Weighted parameter distance cost: by its definition, and in closed form."""

import torch
from jaxtyping import Float
from torch import Tensor

from tddfa_train.parameters.losses.face_basis import N_CAMERA, FaceBasis

_DEPTH_SHIFT = 11  # t_z: no orthographic image shows it


def _normalised(weights: Float[Tensor, "b p"]) -> Float[Tensor, "b p"]:
    weights[:, _DEPTH_SHIFT] = 0
    return weights / weights.amax(1, keepdim=True).clamp(min=1e-12)


@torch.no_grad()
def wpdc_weights(
    face: FaceBasis, predicted: Float[Tensor, "b p"], truth: Float[Tensor, "b p"]
) -> Float[Tensor, "b p"]:
    """How far the vertices move when one parameter alone is wrong, over the largest such distance.

    The definition, one forward pass of the whole mesh a parameter: the slow twin of `fwpdc_weights`.

    Source: Zhu et al., "Face Alignment Across Large Poses", CVPR 2016, eq. 8.
    """
    right = face(truth)
    distances: list[Tensor] = []
    for index in range(truth.shape[1]):
        wrong = truth.clone()
        wrong[:, index] = predicted[:, index]
        distances.append((face(wrong) - right).flatten(1).norm(dim=1))
    return _normalised(torch.stack(distances, 1))


@torch.no_grad()
def fwpdc_weights(
    face: FaceBasis, predicted: Float[Tensor, "b p"], truth: Float[Tensor, "b p"]
) -> Float[Tensor, "b p"]:
    """The same weights without a mesh: each parameter moves the vertices along one fixed direction.

    Entry (r, c) of the matrix moves coordinate r by ΔM[r, c] · S_c; the shift moves it by Δt_r;
    coefficient i moves the vertices by Δα_i · M A_i. Lengths follow from inner products kept in `face`.

    Source: Guo et al., ECCV 2020, section 2.2 (there with M = f R, whence f ‖A_i‖); here for any M.
    """
    difference = (predicted - truth).abs()
    matrix = truth[:, :N_CAMERA].view(-1, 3, 4)[:, :, :3]
    coefficients = truth[:, N_CAMERA:]
    one = torch.ones_like(coefficients[:, :1])
    extended = torch.cat([one, coefficients], 1)
    # Columns of M pair with coordinates of S: swapping the axes would go unnoticed, and cost accuracy.
    shape_norm = torch.einsum("bi,cij,bj->bc", extended, face.squared_length, extended).clamp(min=0).sqrt()
    n_vertices = face.mean.shape[0]
    shift_norm = torch.full_like(shape_norm[:, :1], float(n_vertices) ** 0.5)
    row = torch.cat([shape_norm, shift_norm], 1)
    gram = matrix.transpose(1, 2) @ matrix
    direction_norm = torch.einsum("brc,krc->bk", gram, face.direction_gram).clamp(min=0).sqrt()
    return _normalised(difference * torch.cat([row.repeat(1, 3), direction_norm], 1))


def _weighted(
    weights: Float[Tensor, "b p"],
    predicted: Float[Tensor, "b p"],
    truth: Float[Tensor, "b p"],
    std: Float[Tensor, "p"],
) -> Float[Tensor, ""]:
    return (weights * (predicted - truth) / std).square().mean()


def wpdc(
    face: FaceBasis,
    predicted: Float[Tensor, "b p"],
    truth: Float[Tensor, "b p"],
    std: Float[Tensor, "p"],
) -> Float[Tensor, ""]:
    """Weighted squared difference of the z-scored parameters, weights by definition."""
    return _weighted(wpdc_weights(face, predicted, truth), predicted, truth, std)


def fwpdc(
    face: FaceBasis,
    predicted: Float[Tensor, "b p"],
    truth: Float[Tensor, "b p"],
    std: Float[Tensor, "p"],
) -> Float[Tensor, ""]:
    """Weighted squared difference of the z-scored parameters, weights in closed form."""
    return _weighted(fwpdc_weights(face, predicted, truth), predicted, truth, std)
