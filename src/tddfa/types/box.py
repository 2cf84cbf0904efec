"""Boxes, and faces that a detector found."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NoReturn, TypeAlias

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.errors import InputError
from tddfa.shapes import Float32, Float64
from tddfa.types.shown import shown


@dataclass(frozen=True, slots=True)
class BoundingBox:
    """An axis-aligned box in the image frame, px; it may reach outside the image.

    Raises:
        InputError: a coordinate is not finite, or the box has no area.
    """

    x0: float
    y0: float
    x1: float
    y1: float

    def __post_init__(self) -> None:
        x0, y0, x1, y1 = self.x0, self.y0, self.x1, self.y1
        # Without calls of ours: a crowd makes thousands of boxes.
        try:
            fine = math.isfinite(x0) and math.isfinite(y0) and math.isfinite(x1) and math.isfinite(y1)
            area = x0 < x1 and y0 < y1
        except (TypeError, ValueError, OverflowError):
            fine = area = False
        if not fine:
            raise InputError(f"box {shown(tuple(self))} has a coordinate that is not a finite number")
        if not area:
            raise InputError(
                f"box {shown(tuple(self))} has no area; a box is (x0, y0, x1, y1) with x0 < x1 and y0 < y1"
            )

    def __iter__(self) -> Iterator[float]:
        return iter((self.x0, self.y0, self.x1, self.y1))

    @classmethod
    def around(cls, points: Float32[np.ndarray, "n d"] | Float64[np.ndarray, "n d"]) -> BoundingBox:
        """Return the smallest box that holds the x and y of all points.

        Raises:
            InputError: `points` is no array of points, a point is not finite, or the box has no area.
        """
        low, high = np.minimum.reduce, np.maximum.reduce
        try:
            # Column by column: NumPy is slow along rows of three.
            x, y = points[:, 0], points[:, 1]
            x0, y0, x1, y1 = float(low(x)), float(low(y)), float(high(x)), float(high(y))
        except (TypeError, ValueError, IndexError):
            raise InputError(
                f"points is {shown(points)}; an array (n, 2) or (n, 3) of one point or more is needed"
            ) from None
        return cls(x0, y0, x1, y1)

    @property
    def width(self) -> float:
        """Extent in x, px."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """Extent in y, px."""
        return self.y1 - self.y0

    @property
    def area(self) -> float:
        """Area, px²."""
        return self.width * self.height

    @property
    def center(self) -> tuple[float, float]:
        """The middle (x, y), px."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    def intersection(self, other: BoundingBox) -> BoundingBox | None:
        """Return the box that both cover; None where they share no area.

        Raises:
            InputError: `other` is no box.
        """
        try:
            x0, y0 = max(self.x0, other.x0), max(self.y0, other.y0)
            x1, y1 = min(self.x1, other.x1), min(self.y1, other.y1)
        except AttributeError:
            _refuse_box("other", other)
        return BoundingBox(x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None

    def iou(self, other: BoundingBox) -> float:
        """Return the intersection over union: 1 for equal boxes, 0 for boxes that share no area.

        Raises:
            InputError: `other` is no box.
        """
        shared = self.shared_area(other)
        return shared / (self.area + other.area - shared) if shared else 0.0

    def shared_area(self, other: BoundingBox) -> float:
        """Return the area that both cover, px².

        Raises:
            InputError: `other` is no box.
        """
        # A search of a crowd asks a thousand times: no box is made.
        try:
            width = min(self.x1, other.x1) - max(self.x0, other.x0)
            height = min(self.y1, other.y1) - max(self.y0, other.y0)
        except AttributeError:
            _refuse_box("other", other)
        return width * height if width > 0 and height > 0 else 0.0

    def scaled(self, factor: float) -> BoundingBox:
        """Return a box with the same centre and `factor` times the width and height.

        Raises:
            InputError: `factor` is not a number above 0.
        """
        try:
            fine = 0 < factor < math.inf
        except (TypeError, ValueError):
            fine = False
        if not fine:
            raise InputError(f"factor={shown(factor)}; give a number above 0")
        (x, y), width, height = self.center, factor * self.width, factor * self.height
        return BoundingBox(x - width / 2, y - height / 2, x + width / 2, y + height / 2)

    def shifted(self, dx: float, dy: float) -> BoundingBox:
        """Return the box moved by (dx, dy), px.

        Raises:
            InputError: `dx` or `dy` is not a finite number.
        """
        try:
            fine = math.isfinite(dx) and math.isfinite(dy)
        except (TypeError, ValueError, OverflowError):
            fine = False
        if not fine:
            raise InputError(f"dx={shown(dx)}, dy={shown(dy)}; give two finite numbers, px")
        return BoundingBox(self.x0 + dx, self.y0 + dy, self.x1 + dx, self.y1 + dy)


@dataclass(frozen=True, slots=True)
class Detection:
    """A face found in an image.

    Attributes:
        box: where it is, image frame, px.
        score: the detector's score in [0, 1]; 1 for a box or landmarks given by the caller.

    Raises:
        InputError: `box` is no `BoundingBox`, or the score is not a number from 0 to 1.
    """

    box: BoundingBox
    score: float = 1.0

    def __post_init__(self) -> None:
        box: Any = self.box
        if not isinstance(box, BoundingBox):
            _refuse_box("box", box)
        try:
            fine = 0 <= self.score <= 1
        except (TypeError, ValueError):
            fine = False
        if not fine:
            raise InputError(f"score={shown(self.score)}; a score is a number from 0 to 1")


BoxLike: TypeAlias = BoundingBox | Detection | Iterable[float]
"""A box as callers have it: `BoundingBox`, `Detection`, or 4 or 5 numbers (x0, y0, x1, y1[, score])."""


def largest(boxes: Sequence[BoundingBox], most: int | None) -> list[int]:
    """Return the indices of so many of the boxes, the largest ones, in their order; all of them for None."""
    by_size = sorted(range(len(boxes)), key=lambda k: -boxes[k].area)
    return sorted(by_size[:most])


def _refuse_box(name: str, value: Any) -> NoReturn:
    hint = "take its box" if hasattr(value, "box") else "make one with BoundingBox(x0, y0, x1, y1)"
    raise InputError(f"{name} is a {type(value).__name__}, not a BoundingBox; {hint}") from None
