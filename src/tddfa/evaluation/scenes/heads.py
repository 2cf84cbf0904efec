"""Heads of the open face model in the colours of photos."""

from __future__ import annotations

from dataclasses import field

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.geometry.camera import scaled_camera
from tddfa.geometry.rotation import head_rotation
from tddfa.geometry.triangles import vertex_normals
from tddfa.imaging.sample import sample
from tddfa.morphable import open_face_model
from tddfa.morphable.fitting import fit_landmarks
from tddfa.render import rasterize
from tddfa.shapes import Bool, Float32
from tddfa.types import Face, FaceParams, HeadPose, Image, Mesh

_VISIBLE_COSINE = 0.3
"""Cosine between the surface and the viewer from which a photo shows the colour of the surface."""

_FACE_MM = 140.0


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a head is in one frame, and what it does.

    Attributes:
        x: middle of the head, px.
        y: middle of the head, px.
        size: size of the face, px.
        pose: head pose.
        blink: how far the eyes are closed, in [0, 1].
    """

    x: float
    y: float
    size: float
    pose: HeadPose = field(default_factory=lambda: HeadPose(0, 0, 0))
    blink: float = 0.0


class Head:
    """A head with the colours of a photo; what the photo does not show is copied from the other half.

    Args:
        image: the photo.
        face: the face in the photo, of any model.
    """

    def __init__(self, image: Image, face: Face) -> None:
        self._model = open_face_model(level=0, crop="head")
        fit = fit_landmarks(self._model, face.landmarks[:, :2].astype(np.float64)).params
        mesh = self._model.reconstruct(fit)
        facing = -vertex_normals(mesh.vertices, mesh.triangles)[:, 2]
        colors = sample(image, mesh.vertices[:, :2])
        assert self._model.surface is not None
        partner = self._model.surface.mirror
        hidden = facing < _VISIBLE_COSINE
        colors[hidden] = colors[partner[hidden]]
        colors[hidden & hidden[partner]] = np.median(colors[~hidden], axis=0)
        self._identity, self._colors = fit.identity, colors.astype(np.float32)

    def params(self, placement: Placement) -> FaceParams:
        """Return the parameters of the head at its place."""
        rotation = head_rotation(placement.pose)
        center = np.array([placement.x, placement.y], np.float64)
        camera = scaled_camera(placement.size / _FACE_MM, rotation, center)
        closed = {"eyeBlinkLeft": placement.blink, "eyeBlinkRight": placement.blink}
        return self._model.params(camera, self._identity, closed)

    def landmarks(self, params: FaceParams) -> Float32[np.ndarray, "68 2"]:
        """Return the 68 landmarks, px."""
        return self._model.landmarks(params)[:, :2]

    def draw(self, image: Image, params: FaceParams) -> tuple[Bool[np.ndarray, "h w"], float]:
        """Draw the head into an image, in place.

        Returns:
            The pixels that show the head, and how many the whole head would cover.
        """
        mesh = self._model.reconstruct(params)
        fragments = rasterize([mesh], *image.shape[:2])
        image[fragments.region][fragments.mask] = fragments.interpolate([self._colors]).clip(0, 255)
        mask = np.zeros(image.shape[:2], bool)
        mask[fragments.region] = fragments.mask
        return mask, _area(mesh) if mask.any() else 1.0


def _area(mesh: Mesh) -> float:
    """Return the number of pixels that a mesh covers in an image that is large enough for it."""
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    corner: Float32[np.ndarray, "3"] = np.array([*low[:2], 0], np.float32)
    width, height = (int(v) + 2 for v in (high - low)[:2])
    return float(rasterize([Mesh(mesh.vertices - corner, mesh.topology)], height, width).mask.sum())
