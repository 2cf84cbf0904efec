"""Linear models with mirror symmetry: one side of the face is computed, the other side follows."""

from __future__ import annotations

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.shapes import Float32, Int


@dataclass(frozen=True, slots=True, eq=False)
class SymmetricBasis:
    """A basis on vertices that come in mirror pairs, as two bases of one side.

    A symmetric coefficient moves both sides alike, an antisymmetric one oppositely; a left expression and its
    right partner are a symmetric sum and an antisymmetric difference. Half as many values are read from
    memory as in the whole basis, and reading takes most of the time.

    Attributes:
        mix: matrix that makes the symmetric and then the antisymmetric coefficients.
        symmetric: displacement of the coordinates of one side per unit of each symmetric coefficient.
        antisymmetric: the same for each antisymmetric coefficient.
        order: index of each vertex among the vertices of the side followed by their partners.
    """

    mix: Float32[np.ndarray, "n_coefficients n_coefficients"]
    symmetric: Float32[np.ndarray, "n_symmetric n_side"]
    antisymmetric: Float32[np.ndarray, "n_antisymmetric n_side"]
    order: Int[np.ndarray, " n_vertices"]

    @classmethod
    def of(
        cls,
        basis: Float32[np.ndarray, "n_vertices 3 n_coefficients"],
        mirror: Int[np.ndarray, " n_vertices"],
        partner: Int[np.ndarray, " n_coefficients"],
        sign: Float32[np.ndarray, " n_coefficients"],
    ) -> SymmetricBasis:
        """Return the two bases of one side.

        Args:
            basis: displacement of each vertex per unit of each coefficient.
            mirror: for each vertex its partner on the other side.
            partner: for each coefficient the one that it becomes in the mirror.
            sign: factor of each coefficient in the mirror, 1 or -1.
        """
        index = np.arange(len(partner))
        side = np.flatnonzero(np.arange(len(mirror)) <= mirror)
        order = np.empty(len(mirror), np.intp)
        order[mirror[side]] = len(side) + np.arange(len(side))
        order[side] = np.arange(len(side))  # vertices of the middle are on both sides
        rows = np.moveaxis(basis[side], 2, 0).reshape(len(partner), -1)
        unit = np.eye(len(partner), dtype=np.float32)
        alone, left = partner == index, np.flatnonzero(index < partner)
        even, odd, right = (
            np.flatnonzero(alone & (sign > 0)),
            np.flatnonzero(alone & (sign < 0)),
            partner[left],
        )
        half = np.float32(0.5)
        mix = [unit[even], half * (unit[left] + unit[right]), unit[odd], half * (unit[left] - unit[right])]
        return cls(
            mix=np.concatenate(mix),
            symmetric=np.concatenate([rows[even], rows[left] + rows[right]]),
            antisymmetric=np.concatenate([rows[odd], rows[left] - rows[right]]),
            order=order,
        )

    def __call__(
        self, coefficients: Float32[np.ndarray, " n_coefficients"]
    ) -> Float32[np.ndarray, " n_coordinates"]:
        """Return the displacements of all coordinates."""
        mixed = self.mix @ coefficients
        n = len(self.symmetric)
        alike, opposite = mixed[:n] @ self.symmetric, mixed[n:] @ self.antisymmetric
        sides = np.empty((2, len(alike)), np.float32)
        np.add(alike, opposite, out=sides[0])
        np.subtract(alike, opposite, out=sides[1])
        sides[1, ::3] *= -1
        return sides.reshape(-1, 3).take(self.order, axis=0).reshape(-1)
