"""Where a face will be: constant velocity of its centre and its size."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.shapes import Float32
from tddfa.types import BoundingBox, Face, FaceParams

_N_STEPS = 3  # steps whose mean is the velocity

# Part of the velocity that is left after each frame without the face: an occluded face is more likely to stop
# than to keep moving.
_VELOCITY_DECAY = 0.9

# Speed, sizes of the face per frame, up to which the crop of the next frame does not move. The networks
# accept crops that are off by a tenth; moving the crop with the noise of the landmarks would shake both.
_DEAD_ZONE = 0.1


@dataclass(frozen=True, slots=True)
class FacePosition:
    """Centre (px) and size (px) of a face."""

    x: float
    y: float
    size: float

    @classmethod
    def of(cls, face: Face) -> FacePosition:
        """Return the position of a face, from its landmarks."""
        return cls.of_box(BoundingBox.around(face.landmarks))

    @classmethod
    def of_box(cls, box: BoundingBox) -> FacePosition:
        """Return the position of a box."""
        return cls(*box.center, math.sqrt(box.area))

    def scaled(self, x: float, y: float) -> FacePosition:
        """Return the position in an image that is `x` times as wide and `y` times as high."""
        return FacePosition(x * self.x, y * self.y, math.sqrt(x * y) * self.size)

    def distance(self, other: FacePosition) -> float:
        """Return the distance of the centres, in sizes of the larger face."""
        return math.hypot(self.x - other.x, self.y - other.y) / max(self.size, other.size)


@dataclass(frozen=True, slots=True)
class Trajectory:
    """The last positions of a face, and where they lead.

    Attributes:
        positions: the last positions, oldest first, one per frame.
        frame: number of the frame of the last position.
    """

    positions: tuple[FacePosition, ...]
    frame: int

    @classmethod
    def begin(cls, position: FacePosition, frame: int) -> Trajectory:
        """Return the trajectory of a face that was seen once."""
        return cls((position,), frame)

    def extended(self, position: FacePosition, frame: int) -> Trajectory:
        """Return the trajectory with one more position; positions before a gap are forgotten."""
        before = self.positions[-_N_STEPS:] if frame == self.frame + 1 else ()
        return replace(self, positions=(*before, position), frame=frame)

    def scaled(self, x: float, y: float) -> Trajectory:
        """Return the trajectory in an image that is `x` times as wide and `y` times as high."""
        return replace(self, positions=tuple(position.scaled(x, y) for position in self.positions))

    def without_last(self) -> Trajectory:
        """Return the trajectory up to the frame before; unchanged where there is no earlier position."""
        return Trajectory(self.positions[:-1] or self.positions, self.frame - 1)

    def predict(self, frame: int) -> FacePosition:
        """Return where the face is expected in a frame, whether or not it was seen since."""
        last, (dx, dy) = self.positions[-1], self._step
        n_steps = sum(_VELOCITY_DECAY**k for k in range(frame - self.frame))
        return replace(last, x=last.x + n_steps * dx, y=last.y + n_steps * dy)

    def predict_crop(self, dead_zone: float = _DEAD_ZONE) -> FacePosition:
        """Return where to look in the frame after the last position.

        Args:
            dead_zone: speed that does not count, sizes of the face per frame.
        """
        last, (dx, dy) = self.positions[-1], self._step
        speed = math.hypot(dx, dy) / last.size
        part = 1 - dead_zone / speed if speed > dead_zone else 0.0
        return replace(last, x=last.x + part * dx, y=last.y + part * dy)

    @property
    def _step(self) -> tuple[float, float]:
        """Displacement per frame, px."""
        first, last = self.positions[0], self.positions[-1]
        n = max(len(self.positions) - 1, 1)
        return (last.x - first.x) / n, (last.y - first.y) / n


def moved_to(
    points: Float32[np.ndarray, "n 3"], start: FacePosition, end: FacePosition
) -> Float32[np.ndarray, "n 3"]:
    """Return points of a face at `start` as they are when the face has moved to `end`."""
    if start == end:
        return points
    shift = np.array([start.x, start.y, 0.0]), np.array([end.x, end.y, 0.0])
    return ((points - shift[0]) * (end.size / start.size) + shift[1]).astype(np.float32)


def moved_box(box: BoundingBox, start: FacePosition, end: FacePosition) -> BoundingBox:
    """Return the box of a face at `start` as it is when the face has moved to `end`."""
    scale = end.size / start.size
    (x0, y0), (x1, y1) = (
        (end.x + scale * (x - start.x), end.y + scale * (y - start.y))
        for x, y in ((box.x0, box.y0), (box.x1, box.y1))
    )
    return BoundingBox(x0, y0, x1, y1)


def moved_params(params: FaceParams, start: FacePosition, end: FacePosition) -> FaceParams:
    """Return the parameters of a face at `start` as they are when it has moved to `end`."""
    scale = end.size / start.size
    camera = scale * params.camera
    camera[0, 3] += end.x - scale * start.x
    camera[1, 3] += end.y - scale * start.y
    return replace(params, camera=camera)
