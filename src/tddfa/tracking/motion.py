"""Where a face will be: constant velocity of its middle and its size."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from tddfa.shapes import Float32
from tddfa.types import BoundingBox, Face

_AVERAGED = 3  # steps that make the velocity
_TIRING = 0.9  # part of the velocity that is left after each frame in which nobody saw the face

# Sizes per frame that a crop takes in its stride. Only what is faster is carried into the next crop: carried
# on, the noise of a network would shake the crop, and that the network.
_TOLERATED = 0.1


@dataclass(frozen=True, slots=True)
class Place:
    """Middle (px) and size (px) of a face."""

    x: float
    y: float
    size: float

    @classmethod
    def of(cls, face: Face) -> Place:
        """Where the landmarks of a face are."""
        return cls.of_box(BoundingBox.around(face.landmarks))

    @classmethod
    def of_box(cls, box: BoundingBox) -> Place:
        """Where a box is."""
        return cls(*box.center, math.sqrt(box.width * box.height))

    def distance(self, other: Place) -> float:
        """How far the middles are apart, in sizes of the larger face."""
        return math.hypot(self.x - other.x, self.y - other.y) / max(self.size, other.size)


@dataclass(frozen=True, slots=True)
class Path:
    """The last places of a face, and where they lead.

    Attributes:
        places: the last of them, oldest first, one per frame.
        frame: when the face was at the last place.
    """

    places: tuple[Place, ...]
    frame: int

    def then(self, place: Place, frame: int) -> Path:
        """The path of a face that has come to `place`; what lies before a gap is forgotten."""
        before = self.places[-_AVERAGED:] if frame == self.frame + 1 else ()
        return replace(self, places=(*before, place), frame=frame)

    @property
    def _step(self) -> tuple[float, float]:
        """The way of one frame, px."""
        first, last = self.places[0], self.places[-1]
        n = max(len(self.places) - 1, 1)
        return (last.x - first.x) / n, (last.y - first.y) / n

    def at(self, frame: int) -> Place:
        """Where the face is expected, whether or not anybody saw it since."""
        last, (dx, dy) = self.places[-1], self._step
        # A velocity that tires: a hidden face rather stops than flies off.
        reach = sum(_TIRING**k for k in range(frame - self.frame))
        return replace(last, x=last.x + reach * dx, y=last.y + reach * dy)

    def ahead(self) -> Place:
        """Where to cut the crop of the frame after the last place."""
        last, (dx, dy) = self.places[-1], self._step
        speed = math.hypot(dx, dy) / last.size
        part = 1 - _TOLERATED / speed if speed > _TOLERATED else 0.0
        return replace(last, x=last.x + part * dx, y=last.y + part * dy)


def moved(points: Float32[np.ndarray, "n 3"], start: Place, end: Place) -> Float32[np.ndarray, "n 3"]:
    """Points of a face at `start`, when it has come to `end`."""
    shift = np.array([start.x, start.y, 0.0]), np.array([end.x, end.y, 0.0])
    return ((points - shift[0]) * (end.size / start.size) + shift[1]).astype(np.float32)
