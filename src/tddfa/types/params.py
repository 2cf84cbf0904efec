"""What a network predicts for one face."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.errors import InputError
from tddfa.shapes import Float32, Float64


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FaceParams:
    """A camera and the coefficients of a 3D morphable model.

    Attributes:
        camera: `image_from_model`, an affine map from the model frame (mm) to the image frame (px).
            Its z row places the origin of the model frame at z = 0: depth is relative.
        identity: coefficients of the identity basis: the shape of the person, as alike in all images of
            the person as the networks can tell.
        expression: coefficients of the expression basis.
        confidence: probability in [0, 1] that the crop showed a well-framed face; None for networks that
            predict none.
        corrective: coefficients of the identity basis that are added for this image alone, so that the mesh
            fits the face in it; None: nothing is added.
    """

    camera: Float64[np.ndarray, "3 4"]
    identity: Float32[np.ndarray, " n_identity"]
    expression: Float32[np.ndarray, " n_expression"]
    confidence: float | None = None
    corrective: Float32[np.ndarray, " n_identity"] | None = None

    @property
    def shape(self) -> Float32[np.ndarray, " n_identity"]:
        """Return the coefficients of the identity basis that the mesh has: `identity` and `corrective`."""
        return self.identity if self.corrective is None else self.identity + self.corrective

    def with_identity(self, identity: Float32[np.ndarray, " n_identity"]) -> FaceParams:
        """Return the parameters of the same mesh with another identity; what differs becomes corrective.

        Raises:
            InputError: `identity` is no array of as many coefficients.
        """
        array: Any = identity  # other values have a `shape`, too
        given = array.shape if isinstance(array, np.ndarray) else f"of a {type(identity).__name__}"
        if given != self.identity.shape:
            raise InputError(f"identity has the shape {given}; an array {self.identity.shape} is needed")
        return replace(self, identity=identity, corrective=self.shape - identity)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FaceParams):
            return NotImplemented
        pairs = [
            (self.camera, other.camera),
            (self.identity, other.identity),
            (self.expression, other.expression),
        ]
        if self.corrective is not None and other.corrective is not None:
            pairs.append((self.corrective, other.corrective))
        elif self.corrective is not other.corrective:
            return False
        return self.confidence == other.confidence and all(np.array_equal(a, b) for a, b in pairs)

    def __hash__(self) -> int:
        # Of numbers, not of bytes: -0.0 and 0.0 are equal.
        return hash((self.confidence, *self.camera.ravel().tolist(), *self.expression.tolist()))

    def __repr__(self) -> str:
        x, y = self.camera[:2, 3].tolist()
        scale = float((np.linalg.norm(self.camera[0, :3]) + np.linalg.norm(self.camera[1, :3])) / 2)
        confidence = "" if self.confidence is None else f", confidence={self.confidence:.3f}"
        return (
            f"FaceParams(origin=({x:.1f}, {y:.1f}) px, scale={scale:.3g} px/mm, "
            f"{len(self.identity)} identity, {len(self.expression)} expression{confidence})"
        )
