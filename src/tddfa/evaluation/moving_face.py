"""Sequences made from a photo whose face moves by known amounts.

A photo is laid on the open face model, fitted to the photo's own landmarks, and the model moves: the head
turns and nods, and the image shifts, rolls and zooms as a hand-held camera's does. What lies around the
face follows smoothly, so that no second face stays behind.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.geometry.camera import project
from tddfa.geometry.rotation import head_rotation
from tddfa.imaging.sample import sample
from tddfa.imaging.smooth import spread
from tddfa.morphable import MorphableModel, open_face_model
from tddfa.morphable.fitting import fit_landmarks
from tddfa.render import rasterize
from tddfa.shapes import Float, Float32, Float64, UInt8
from tddfa.types import FaceParams, HeadPose, Image, Mesh

STILL, SWAY, STEP = slice(0, 20), slice(20, 68), slice(68, 104)
"""The parts of a sequence: nothing moves; everything moves; one quick turn that stops."""

N_FRAMES = 104
_STEP_FRAMES = 5
NOISE = 3.0
"""Standard deviation of the noise of each frame, levels of 255: that of a good camera indoors."""


@dataclass(frozen=True, slots=True)
class Motion:
    """Where the head and the camera are in one frame, relative to the photo.

    Attributes:
        head: rotation of the head about its middle.
        roll_deg: of the camera.
        zoom: of the camera.
        shift: of the camera, in sizes of the face (x right, y down).
    """

    head: HeadPose
    roll_deg: float
    zoom: float
    shift: tuple[float, float]


def motions() -> list[Motion]:
    """Return the movement of every sequence, frame by frame (30 frames are a second)."""
    frames: list[Motion] = []
    for k in range(N_FRAMES):
        sway = k - SWAY.start
        if k < SWAY.start:
            frames.append(Motion(HeadPose(0, 0, 0), 0, 1, (0, 0)))
        elif k < STEP.start:
            # Sines start at 0; 0.6 to 1.9 swings a second, as heads and hands move.
            a, b, c = (math.sin(2 * math.pi * sway / period) for period in (24, 48, 16))
            frames.append(Motion(HeadPose(12 * a, 6 * b, 0), 3 * b, 1 + 0.05 * b, (0.06 * a, 0.04 * c)))
        else:
            # A turn of 14° within 5 frames: the start and the stop are sudden.
            part = min(1.0, max(0.0, (k - STEP.start - 8) / _STEP_FRAMES))
            frames.append(Motion(HeadPose(14 * part, 0, 0), 0, 1, (0.12 * part, 0)))
    return frames


@dataclass(frozen=True, eq=False)
class MovingFace:
    """A photo whose face moves.

    Attributes:
        image: the photo.
        params: its face on the open model.
        landmarks: 68 points of every frame, px: the exact truth.
    """

    image: Image
    params: FaceParams
    landmarks: Float64[np.ndarray, "n_frames 68 2"]

    @cached_property
    def _mesh(self) -> Mesh:
        return _model().reconstruct(self.params)

    @classmethod
    def of(cls, image: Image, points: Float[np.ndarray, "68 d"]) -> MovingFace:
        """Return the sequence of a photo with known landmarks, px."""
        params = fit_landmarks(_model(), points.astype(np.float64)).params
        size = _size(params)
        truth = [
            _posed(_model().landmarks(params), params, motion, size, image)[:, :2] for motion in motions()
        ]
        return cls(image, params, np.stack(truth).astype(np.float64))

    def frames(self, seed: int = 0) -> Iterator[Image]:
        """Yield the images of the sequence, with noise."""
        rng = np.random.default_rng(seed)
        for motion in motions():
            image = self.render(motion)
            noise = rng.standard_normal(image.shape, np.float32) * np.float32(NOISE)
            yield np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)

    def render(self, motion: Motion) -> UInt8[np.ndarray, "h w 3"]:
        """Return one image of the sequence, without noise."""
        height, width = self.image.shape[:2]
        mesh, size = self._mesh, _size(self.params)
        moved = _posed(mesh.vertices, self.params, motion, size, self.image)
        fragments = rasterize([Mesh(moved, mesh.topology)], height, width, cull_back=True)
        # For each pixel: where the camera alone would have found it in the photo …
        rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
        pixels = np.stack([columns.ravel(), rows.ravel()], axis=1)
        places = _camera_back(pixels, motion, size, self.image)
        # … and how far the turn of the head has carried it from there, which fades outside the face.
        turned = np.zeros((height, width, 2), np.float32)
        covered = np.zeros((height, width), bool)
        region = fragments.region
        covered[region] = fragments.mask
        at = np.flatnonzero(covered)
        turned.reshape(-1, 2)[at] = fragments.interpolate([mesh.vertices[:, :2]]) - places[at]
        shown = sample(self.image, places + spread(turned, covered, reach=0.35 * size).reshape(-1, 2))
        return np.rint(shown).astype(np.uint8).reshape(height, width, 3)


def _model() -> MorphableModel:
    return open_face_model(level=0)


def _size(params: FaceParams) -> float:
    points = _model().landmarks(params)
    return float(np.sqrt(np.prod(np.ptp(points[:, :2], axis=0))))


def _posed(
    vertices: Float32[np.ndarray, "n 3"], params: FaceParams, motion: Motion, size: float, image: Image
) -> Float32[np.ndarray, "n 3"]:
    """Return points of the photo's face (image frame, px) in a frame of the sequence."""
    # The neck turns the head behind the face: about a face's size behind its surface.
    pivot = project(params.camera, np.zeros((1, 3), np.float32))[0] + np.array([0, 0, 0.5 * size], np.float32)
    # head_rotation maps the model frame to the image frame; without its flip it turns within the image frame.
    turn = (head_rotation(motion.head) @ np.diag([1.0, -1.0, -1.0])).astype(np.float32)
    turned = (vertices - pivot) @ turn.T + pivot
    R, t = _camera(motion, size, image)
    turned[:, :2] = turned[:, :2] @ R.T + t
    return turned


def _camera(
    motion: Motion, size: float, image: Image
) -> tuple[Float32[np.ndarray, "2 2"], Float32[np.ndarray, "2"]]:
    """Return the similarity of the image plane, x ↦ R x + t, about the image's middle."""
    angle = math.radians(motion.roll_deg)
    R = motion.zoom * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    middle = np.array([image.shape[1] - 1, image.shape[0] - 1]) / 2
    t = middle - R @ middle + size * np.array(motion.shift)
    return R.astype(np.float32), t.astype(np.float32)


def _camera_back(
    pixels: Float32[np.ndarray, "n 2"], motion: Motion, size: float, image: Image
) -> Float32[np.ndarray, "n 2"]:
    R, t = _camera(motion, size, image)
    (a, b), (c, d) = np.linalg.inv(R)
    x, y = pixels[:, 0] - t[0], pixels[:, 1] - t[1]
    # Written out: a product of a large and a 2×2 matrix is slow in BLAS.
    return np.stack([a * x + b * y, c * x + d * y], axis=1)
