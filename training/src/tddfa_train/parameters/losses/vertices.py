"""Vertex distance cost."""

from jaxtyping import Float
from torch import Tensor

from tddfa_train.parameters.losses.face_basis import FaceBasis


def vdc(
    face: FaceBasis, predicted: Float[Tensor, "b p"], truth: Float[Tensor, "b p"], *, depth: bool = True
) -> Float[Tensor, ""]:
    """Mean squared distance between the vertices of the predicted and the true parameters.

    From scratch it diverges: clip the gradient, and start from weights that fWPDC trained.

    Args:
        face: the model.
        predicted: parameters, not z-scored.
        truth: likewise.
        depth: count z too, but for its constant part, which no image shows.

    Source: Guo et al., "Towards Fast, Accurate and Stable 3D Dense Face Alignment", ECCV 2020, eq. 4.
    """
    difference = face(predicted) - face(truth)
    squared = difference[..., :2].square().sum(2)
    if depth:
        z = difference[..., 2]
        squared = squared + (z - z.mean(1, keepdim=True)).square()
    return squared.mean()
