"""A linear face model as tensors: parameters in, vertices out."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

N_CAMERA = 12


class FaceBasis(nn.Module):
    """V(p) = M [S; 1] with S = mean + basis · α, and the inner products that closed forms need.

    Parameters p are a 3x4 matrix M, row by row, followed by the coefficients α.

    Args:
        mean: of the face, any unit.
        basis: displacement of each vertex per unit of each coefficient.
    """

    mean: Float[Tensor, "n 3"]
    basis: Float[Tensor, "n 3 k"]
    squared_length: Float[Tensor, "3 k+1 k+1"]
    direction_gram: Float[Tensor, "k 3 3"]

    def __init__(self, mean: Float[np.ndarray, "n 3"], basis: Float[np.ndarray, "n 3 k"]):
        super().__init__()
        together = np.concatenate([mean[:, :, None], basis], axis=2).astype(np.float64)
        # ‖S_c‖² is a quadratic form in (1, α); ‖M A_i‖² one in M: neither needs the vertices again.
        lengths = np.einsum("nci,ncj->cij", together, together)
        gram = np.einsum("nri,nci->irc", basis.astype(np.float64), basis.astype(np.float64))
        for name, value in (
            ("mean", mean),
            ("basis", basis),
            ("squared_length", lengths),
            ("direction_gram", gram),
        ):
            self.register_buffer(
                name, torch.from_numpy(np.ascontiguousarray(value)).float(), persistent=False
            )

    def shape(self, coefficients: Float[Tensor, "b k"]) -> Float[Tensor, "b n 3"]:
        """Vertices in the model frame."""
        n, _, k = self.basis.shape
        return self.mean + (coefficients @ self.basis.view(n * 3, k).T).view(-1, n, 3)

    def forward(self, p: Float[Tensor, "b p"]) -> Float[Tensor, "b n 3"]:
        """Vertices where the matrix puts them."""
        matrix = p[:, :N_CAMERA].view(-1, 3, 4)
        return self.shape(p[:, N_CAMERA:]) @ matrix[:, :, :3].transpose(1, 2) + matrix[:, None, :, 3]
