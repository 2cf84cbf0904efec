"""Points all over the face that two answers about it are compared at."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from tddfa.morphable.landmarks import LandmarkSet
from tddfa.morphable.model import MorphableModel
from tddfa.morphable.open_model import open_face_model
from tddfa_train.data.points import IBUG68_MIRROR


@dataclass(frozen=True, slots=True)
class SurfacePoints:
    """Points all over the face, landmarks first, and each one's twin in the mirror.

    Attributes:
        points: 68 landmarks, then vertices.
        mirror: for each point its number in a mirrored image.
    """

    points: LandmarkSet
    mirror: Int[np.ndarray, " n"]

    @classmethod
    def of(cls, model: MorphableModel, every: int = 8) -> "SurfacePoints":
        """Landmarks of the open face model, and every n-th base vertex of its face with its twin."""
        assert model.mirror is not None, "the open face model is symmetric"
        picked = open_face_model(level=0, crop="face", mouth=False).mesh_vertices[::every]
        vertices = np.unique(np.concatenate([picked, model.mirror[picked]]))
        landmarks = model.landmark_sets["ibug68"]
        corners = np.repeat(vertices[:, None], landmarks.vertices.shape[1], axis=1).astype(np.int32)
        weights = np.zeros(corners.shape, np.float32)
        weights[:, 0] = 1
        points = LandmarkSet(
            np.concatenate([landmarks.vertices, corners]), np.concatenate([landmarks.weights, weights])
        )
        twins = 68 + np.searchsorted(vertices, model.mirror[vertices])
        return cls(points, np.concatenate([IBUG68_MIRROR, twins]))
