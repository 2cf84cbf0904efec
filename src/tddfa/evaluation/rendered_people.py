"""Scenes of people whose places are known: the open face model in the colours of photos."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from tddfa.geometry.camera import scaled_camera
from tddfa.geometry.rotation import head_rotation
from tddfa.geometry.triangles import vertex_normals
from tddfa.imaging.sample import sample
from tddfa.imaging.warp import resize
from tddfa.morphable import MorphableModel
from tddfa.morphable.fitting import fit_landmarks
from tddfa.render import rasterize
from tddfa.shapes import Bool, Float32
from tddfa.types import BoundingBox, Face, FaceParams, HeadPose, Image, Mesh

HEIGHT, WIDTH = 360, 640
NOISE = 3.0
"""Standard deviation of the noise of each frame, in levels of 255: that of a good camera indoors."""

_SEEN_FROM_FRONT = 0.3  # cosine between the surface and the viewer from which a photo shows its colour
_FACE_MM = 140.0


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a head is in one frame.

    Attributes:
        x: of the middle of the head, px.
        y: of the middle of the head, px.
        size: of the face, px.
        pose: of the head.
        blink: how far the eyes are closed, in [0, 1].
    """

    x: float
    y: float
    size: float
    pose: HeadPose = field(default_factory=lambda: HeadPose(0, 0, 0))
    blink: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A person in one frame.

    Attributes:
        box: around the landmarks, px.
        visible: the part of the head that lies in the picture and behind nobody, in [0, 1].
    """

    box: BoundingBox
    visible: float


class Head:
    """A head with the colours of a photo; what the photo does not show has those of the other half.

    Args:
        image: the photo.
        face: in the photo, of any model.
    """

    def __init__(self, image: Image, face: Face) -> None:
        self._model = MorphableModel.open(level=0, crop="head")
        fit = fit_landmarks(self._model, face.landmarks[:, :2].astype(np.float64)).params
        mesh = self._model.reconstruct(fit)
        facing = -vertex_normals(mesh.vertices, mesh.triangles)[:, 2]
        colors = sample(image, mesh.vertices[:, :2])
        assert self._model.surface is not None
        partner = self._model.surface.mirror
        hidden = facing < _SEEN_FROM_FRONT
        colors[hidden] = colors[partner[hidden]]
        colors[hidden & hidden[partner]] = np.median(colors[~hidden], axis=0)
        self._identity, self._colors = fit.identity, colors.astype(np.float32)

    def params(self, stand: Stand) -> FaceParams:
        """The parameters of the head where it stands."""
        rotation = head_rotation(stand.pose)
        camera = scaled_camera(stand.size / _FACE_MM, rotation, np.array([stand.x, stand.y], np.float64))
        closed = {"eyeBlinkLeft": stand.blink, "eyeBlinkRight": stand.blink}
        return self._model.params(camera, self._identity, closed)

    def box(self, params: FaceParams) -> BoundingBox:
        """The box around the landmarks, px."""
        return BoundingBox.around(self._model.landmarks(params))

    def draw(self, picture: Image, params: FaceParams) -> tuple[Bool[np.ndarray, "h w"], float]:
        """Draw the head into a picture, in place; returns its pixels, and how many all of it would have."""
        mesh = self._model.reconstruct(params)
        fragments = rasterize([mesh], *picture.shape[:2])
        picture[fragments.region][fragments.mask] = fragments.interpolate([self._colors]).clip(0, 255)
        mask = np.zeros(picture.shape[:2], bool)
        mask[fragments.region] = fragments.mask
        return mask, _area(mesh) if mask.any() else 1.0


@dataclass(frozen=True, slots=True)
class Scene:
    """People and what they do.

    Attributes:
        name: of the scene.
        paths: of each person, frame by frame; the later ones stand before the earlier ones.
    """

    name: str
    paths: Sequence[Sequence[Stand]]

    def frames(
        self, heads: Sequence[Head], background: Image, seed: int = 0
    ) -> Iterator[tuple[Image, list[Seen]]]:
        """The pictures of the scene, with noise, and where everybody is."""
        rng = np.random.default_rng(seed)
        ground = resize(background, WIDTH, HEIGHT)
        for stands in zip(*self.paths, strict=True):
            picture = ground.copy()
            drawn: list[tuple[BoundingBox, Bool[np.ndarray, "h w"], float]] = []
            for head, stand in zip(heads, stands, strict=False):
                params = head.params(stand)
                mask, area = head.draw(picture, params)
                drawn = [(box, earlier & ~mask, whole) for box, earlier, whole in drawn]
                drawn.append((head.box(params), mask, area))
            noise = rng.standard_normal(picture.shape, np.float32) * np.float32(NOISE)
            people = [Seen(box, min(float(mask.sum()) / area, 1.0)) for box, mask, area in drawn]
            yield np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8), people


def scenes() -> list[Scene]:
    """One turns to both profiles and blinks; two cross, twice; one leaves, and returns."""
    y = HEIGHT / 2

    def turn(t: int) -> Stand:
        pose = HeadPose(80 * math.sin(t / 12), 6 * math.sin(t / 9), 5 * math.sin(t / 20))
        return Stand(320 + 80 * math.sin(t / 25), y, 130, pose, float(t % 30 < 4))

    def cross(t: int, sign: int) -> Stand:
        x = 320 + sign * 220 * math.cos(t / 22)
        return Stand(x, y - 8 * sign, 115 + 15 * sign, HeadPose(15 * math.sin(t / 15), 0, 3 * sign))

    def leave(t: int) -> Stand:
        away = min(max((t - 15) / 20, 0.0), 1.0) - min(max((t - 70) / 20, 0.0), 1.0)
        return Stand(430 + 330 * away, y + 4 * math.sin(t / 8), 115, HeadPose(-20 * away, 0, 0))

    def stay(t: int) -> Stand:
        return Stand(180, y, 120, HeadPose(20 * math.sin(t / 18), 5 * math.sin(t / 11), 0), float(t % 25 < 3))

    return [
        Scene("turning to ±80°, blinking", [[turn(t) for t in range(100)]]),
        Scene("two crossing, twice", [[cross(t, sign) for t in range(140)] for sign in (-1, 1)]),
        Scene("one leaving and returning", [[stay(t) for t in range(115)], [leave(t) for t in range(115)]]),
    ]


def plain_background() -> Image:
    """A wall with light from one side."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    channels = [90 + rows // 6, 100 + columns // 8, 110 + (rows + columns) // 20]
    return np.stack(channels, axis=-1).astype(np.uint8)


def _area(mesh: Mesh) -> float:
    """Pixels that a mesh covers in a picture that is large enough for it."""
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    corner: Float32[np.ndarray, "3"] = np.array([*low[:2], 0], np.float32)
    width, height = (int(v) + 2 for v in (high - low)[:2])
    return float(rasterize([Mesh(mesh.vertices - corner, mesh.topology)], height, width).mask.sum())
