"""Which pixels of a face show its eyeballs."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, Int

from tddfa.morphable.model import MorphableModel
from tddfa.render.rasterizer import draw_values
from tddfa.types import FaceParams, Mesh, Topology

_NEAR_MM = 24.0
"""How far around an eyeball lids may hide it."""
_FINER = 2


@dataclass(frozen=True, slots=True)
class EyeOpenings:
    """The eyeballs of a model and what lies around them.

    Attributes:
        model: with regions.
        vertices: those of the mesh that count.
        topology: triangles between them.
        eyeballs: 1 on eyeballs, else 0, one row per vertex that counts.
        sides: rows of the right and of the left eyeball.
    """

    model: MorphableModel
    vertices: Int[np.ndarray, " n"]
    topology: Topology
    eyeballs: Float32[np.ndarray, "n 1"]
    sides: tuple[Int[np.ndarray, " r"], Int[np.ndarray, " l"]]

    @classmethod
    def of(cls, model: MorphableModel) -> "EyeOpenings":
        """Find the eyes of a model."""
        rest = model.shape(model.params())
        balls = model.regions["eyeballs"]
        low, high = rest[balls].min(axis=0) - _NEAR_MM, rest[balls].max(axis=0) + _NEAR_MM
        near = ((rest > low) & (rest < high)).all(axis=1)
        triangles = model.topology.triangles
        triangles = triangles[near[triangles].all(axis=1)]
        vertices, numbers = np.unique(triangles, return_inverse=True)
        topology = Topology(
            numbers.reshape(-1, 3).astype(np.int32), None, np.zeros((len(vertices), 3), np.float32)
        )
        kept = balls[vertices]
        right = rest[vertices, 0] < 0
        sides = np.flatnonzero(kept & right), np.flatnonzero(kept & ~right)
        return cls(model, vertices, topology, kept[:, None].astype(np.float32), sides)

    def shown(
        self, face: FaceParams, height: int, width: int
    ) -> tuple[Float32[np.ndarray, "h w"], Float32[np.ndarray, "2 2"]]:
        """Return how much of each pixel shows an eyeball, 0 to 1, and the middles of both, px.

        Args:
            face: camera, identity and expression.
            height: height of the image, px.
            width: width of the image, px.
        """
        points = self.model.reconstruct(face).vertices[self.vertices]
        finer = points * _FINER
        finer[:, :2] += (_FINER - 1) / 2  # pixels have their middles at whole numbers
        layer = draw_values([Mesh(finer, self.topology)], [self.eyeballs], _FINER * height, _FINER * width)
        drawn = np.zeros((_FINER * height, _FINER * width), np.float32)
        rows, columns = layer.depth.shape
        drawn[layer.y0 : layer.y0 + rows, layer.x0 : layer.x0 + columns] = layer.values[..., 0]
        small = cv2.resize(drawn, (width, height), interpolation=cv2.INTER_AREA)
        return small, np.stack([points[side, :2].mean(axis=0) for side in self.sides])
