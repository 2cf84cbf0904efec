"""A linear 3D morphable model: mean shape, identity basis, expression basis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float32, Int32

from tddfa.errors import PackError
from tddfa.geometry.camera import project
from tddfa.types import FaceParams, Mesh, Topology


@dataclass(frozen=True, eq=False)
class MorphableModel:
    """V(params) = camera · (mean + identity basis · identity + expression basis · expression).

    Attributes:
        name: for people.
        mean: the mean face, model frame, mm.
        identity_basis: displacement of each vertex per unit of each identity coefficient, mm.
        expression_basis: the same for each expression coefficient, mm.
        expression_names: one per expression coefficient.
        topology: triangles, UV layout and PNCC colours.
        landmark_vertices: the vertex of each of the 68 landmarks.
    """

    name: str
    mean: Float32[np.ndarray, "n_vertices 3"]
    identity_basis: Float32[np.ndarray, "n_vertices 3 n_identity"]
    expression_basis: Float32[np.ndarray, "n_vertices 3 n_expression"]
    expression_names: tuple[str, ...]
    topology: Topology
    landmark_vertices: Int32[np.ndarray, "68"]

    @classmethod
    def from_arrays(cls, name: str, arrays: Mapping[str, Any]) -> MorphableModel:
        """The model in the arrays of a pack.

        Raises:
            PackError: an array is missing or does not fit the others.
        """
        try:
            mean = arrays["mean"]
            return cls(
                name=name,
                mean=mean,
                identity_basis=arrays["identity_basis"],
                expression_basis=arrays["expression_basis"],
                expression_names=tuple(map(str, arrays["expression_names"])),
                topology=Topology(arrays["triangles"], arrays.get("uv"), pncc_colors(mean)),
                landmark_vertices=arrays["landmark_vertices"],
            )
        except KeyError as error:
            raise PackError(f"the face model of pack {name!r} has no array {error}") from None

    def shape(self, params: FaceParams) -> Float32[np.ndarray, "n_vertices 3"]:
        """The vertices of `params` in the model frame, mm."""
        return self._shape_of(self._basis, self.mean, params)

    def mesh(self, params: FaceParams) -> Mesh:
        """The dense mesh of `params` in the image frame, px."""
        return Mesh(project(params.camera, self.shape(params)), self.topology)

    def landmarks(self, params: FaceParams) -> Float32[np.ndarray, "68 3"]:
        """The 68 landmarks of `params` in the image frame, px, without the cost of the whole mesh."""
        mean, basis = self._landmark_basis
        return project(params.camera, self._shape_of(basis, mean, params))

    @cached_property
    def _basis(self) -> Float32[np.ndarray, "n_vertices*3 n_identity+n_expression"]:
        basis = np.concatenate([self.identity_basis, self.expression_basis], axis=2)
        return basis.reshape(-1, basis.shape[2])

    @cached_property
    def _landmark_basis(
        self,
    ) -> tuple[Float32[np.ndarray, "68 3"], Float32[np.ndarray, "204 n_identity+n_expression"]]:
        rows = (self.landmark_vertices[:, None] * 3 + np.arange(3)).ravel()
        return self.mean[self.landmark_vertices], self._basis[rows]

    @staticmethod
    def _shape_of(
        basis: Float32[np.ndarray, "n*3 k"], mean: Float32[np.ndarray, "n 3"], params: FaceParams
    ) -> Float32[np.ndarray, "n 3"]:
        coefficients = np.concatenate([params.identity, params.expression]).astype(np.float32, copy=False)
        return mean + (basis @ coefficients).reshape(-1, 3)


def pncc_colors(mean: Float32[np.ndarray, "n_vertices 3"]) -> Float32[np.ndarray, "n_vertices 3"]:
    """The projected normalised coordinate code of each vertex, RGB in [0, 1].

    Source: Zhu et al., "Face alignment across large poses", 2016, eq. 5: the mean face's coordinates, each
        scaled to [0, 1]. z makes red, y green and x blue, as in the published program's pictures.
    """
    lowest, highest = mean.min(axis=0), mean.max(axis=0)
    return np.ascontiguousarray(((mean - lowest) / (highest - lowest))[:, ::-1])
