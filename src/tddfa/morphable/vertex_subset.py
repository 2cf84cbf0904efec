"""The linear model on some of its base vertices: the part that a mesh needs."""

from __future__ import annotations

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.morphable.eyelids import Eyelids
from tddfa.morphable.symmetric_basis import SymmetricBasis
from tddfa.shapes import Float32
from tddfa.types import FaceParams


@dataclass(frozen=True, slots=True, eq=False)
class PlainBasis:
    """A basis stored coefficient by coefficient, so that each row is read once, in order.

    Attributes:
        rows: displacement of all coordinates per unit of each coefficient.
    """

    rows: Float32[np.ndarray, "n_coefficients n_coordinates"]

    def __call__(
        self, coefficients: Float32[np.ndarray, " n_coefficients"]
    ) -> Float32[np.ndarray, " n_coordinates"]:
        """Return the displacements of all coordinates."""
        return coefficients @ self.rows


@dataclass(frozen=True, slots=True, eq=False)
class VertexSubset:
    """The linear model and its lids on some base vertices.

    Attributes:
        mean: coordinates of the vertices of the mean face, mm.
        basis: displacement of the coordinates by the coefficients.
        eyelids: the correction of the lids; None where the vertices hold none.
        blink_gaps: change of each gap by both blinks in the linear model, mm.
    """

    mean: Float32[np.ndarray, " n_coordinates"]
    basis: PlainBasis | SymmetricBasis
    eyelids: Eyelids | None
    blink_gaps: Float32[np.ndarray, "n_gaps 3"] | None

    def vertices(self, params: FaceParams) -> Float32[np.ndarray, "n_used 3"]:
        """Return the vertices of `params`, model frame, mm."""
        return self.shape(params.shape, params.expression)

    def shape(
        self, identity: Float32[np.ndarray, " n_identity"], expression: Float32[np.ndarray, " n_expression"]
    ) -> Float32[np.ndarray, "n_used 3"]:
        """Return the vertices of some coefficients, model frame, mm.

        Args:
            identity: identity coefficients.
            expression: expression coefficients.
        """
        coefficients = np.concatenate([identity, expression]).astype(np.float32, copy=False)
        vertices = (self.mean + self.basis(coefficients)).reshape(-1, 3)
        if self.eyelids is None or self.blink_gaps is None:
            return vertices
        return self.eyelids.close(vertices, expression, self.blink_gaps)
