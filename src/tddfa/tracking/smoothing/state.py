"""A face as numbers that may be averaged: a rotation, and vectors.

The camera is decomposed into scale · rotation · residual, and its translation is the image of the landmarks'
centre. The model's own origin would not do: in the Basel Face Model it lies 9 cm behind the face, and every
tremble of the rotation would shift the face.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.errors import InputError
from tddfa.geometry.rotation import nearest_rotation
from tddfa.morphable import MorphableModel
from tddfa.shapes import Float64
from tddfa.types import Face, FaceParams


@dataclass(frozen=True, slots=True, eq=False)
class FaceState:
    """The quantities that are smoothed.

    Attributes:
        rotation: image frame from model frame.
        log_scale: logarithm of the scale, px per mm.
        center: position of the pivot, image frame, px.
        residual: what makes an affine camera unlike a scaled rotation; near the identity.
        shape: coefficients of the identity basis.
        expression: expression coefficients.
    """

    rotation: Float64[np.ndarray, "3 3"]
    log_scale: float
    center: Float64[np.ndarray, "3"]
    residual: Float64[np.ndarray, "3 3"]
    shape: Float64[np.ndarray, " n_identity"]
    expression: Float64[np.ndarray, " n_expression"]

    @classmethod
    def of(cls, params: FaceParams, pivot: Float64[np.ndarray, "3"]) -> FaceState:
        """Return the state of a face.

        Args:
            params: parameters of the face.
            pivot: point that is kept in place, model frame, mm.
        """
        M = params.camera[:, :3]
        R = nearest_rotation(M)
        scale = float(np.cbrt(abs(np.linalg.det(M)))) or 1.0
        return cls(
            rotation=R,
            log_scale=math.log(scale),
            center=M @ pivot + params.camera[:, 3],
            residual=R.T @ M / scale,
            shape=params.shape.astype(np.float64),
            expression=params.expression.astype(np.float64),
        )

    def params(self, pivot: Float64[np.ndarray, "3"], like: FaceParams) -> FaceParams:
        """Return the parameters of the state; the inverse of `of`.

        Args:
            pivot: as for `of`.
            like: has the confidence, and the identity where that is the person's: it is not smoothed.
        """
        M = math.exp(self.log_scale) * self.rotation @ self.residual
        camera = np.column_stack([M, self.center - M @ pivot])
        params = FaceParams(
            camera, self.shape.astype(np.float32), self.expression.astype(np.float32), like.confidence
        )
        return params if like.corrective is None else params.with_identity(like.identity)


def morphable_model(face: Face) -> MorphableModel:
    """Return the model of a face, which smoothing needs for the movement of the landmarks.

    Raises:
        InputError: the model is of another kind.
    """
    if not isinstance(face.model, MorphableModel):
        raise InputError(f"smoothing needs faces of a MorphableModel, not of a {type(face.model).__name__}")
    return face.model


def pivot_of(face: Face) -> Float64[np.ndarray, "3"]:
    """Return the centre of a face's landmarks in the model frame, mm."""
    M, t = face.params.camera[:, :3], face.params.camera[:, 3]
    middle = face.landmarks.astype(np.float64).mean(axis=0)
    return np.linalg.solve(M, middle - t)


def landmark_jacobians(
    face: Face, pivot: Float64[np.ndarray, "3"]
) -> tuple[
    Float64[np.ndarray, "68 3"],
    Float64[np.ndarray, "204 n_identity"],
    Float64[np.ndarray, "204 n_expression"],
]:
    """Return how far each parameter moves the landmarks, in sizes of the face.

    Args:
        face: a face of the model.
        pivot: centre of rotation, model frame, mm.

    Returns:
        Landmarks of the mean face around the pivot, and their displacement per unit of each identity and each
        expression coefficient.
    """
    model = morphable_model(face)
    points = model.landmark_sets["ibug68"]
    mean = points.positions(model.mean).astype(np.float64)
    size = math.sqrt(float(np.prod(np.ptp(mean[:, :2], axis=0))))
    bases = (
        points.positions(basis).astype(np.float64) for basis in (model.identity_basis, model.expression_basis)
    )
    identity, expression = (basis.reshape(-1, basis.shape[2]) / size for basis in bases)
    return (mean - pivot) / size, identity, expression


def face_with(face: Face, params: FaceParams) -> Face:
    """Return the same face with other parameters."""
    morphable_model(face)
    return replace(face, params=params)
