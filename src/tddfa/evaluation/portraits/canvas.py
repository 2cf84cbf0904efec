"""Where skin, lips, brows, lids and hair lie on the open face model: measured once on the mean head."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.morphable import MorphableModel, open_face_model
from tddfa.morphable.eyes import Eyes
from tddfa.render.rasterizer import draw_values
from tddfa.shapes import Bool, Float, Float32, Int64
from tddfa.types import Mesh

TEXTURE_SIDE = 480

# Points of MediaPipe's scheme; right and left are the subject's.
_OUTER_LIPS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
_UPPER_LIDS = ((33, 246, 161, 160, 159, 158, 157, 173, 133), (263, 466, 388, 387, 386, 385, 384, 398, 362))
_LOWER_LIDS = ((33, 7, 163, 144, 145, 153, 154, 155, 133), (263, 249, 390, 373, 374, 380, 381, 382, 362))
_UPPER_BROWS = ((70, 63, 105, 66, 107), (300, 293, 334, 296, 336))
_LOWER_BROWS = ((46, 53, 52, 65, 55), (276, 283, 282, 295, 285))


@cache
def portrait_model() -> MorphableModel:
    """Return the model of all portraits: the whole head with the inside of the mouth, refined once."""
    return open_face_model(level=1, crop="head")


def portrait_eyes() -> Eyes:
    """Return the eyeballs of the model of all portraits."""
    eyes = portrait_model().eyes
    assert eyes is not None  # the open face model has some
    return eyes


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """The texels of the head, and where on the mean head each lies.

    Attributes:
        texels: flat indices of the texels that lie on the head, in a square of `TEXTURE_SIDE`.
        filled_from: for each texel of the square the nearest of `texels`, by its place there.
        points: model frame, mm.
        lips: inside the outline of the lips, mm; negative outside.
        brow_along: 0 at the nose to 1 at the temple.
        brow_across: distance from the middle of the brow in half thicknesses.
        upper_lid: distance from the rim of the nearer upper lid, mm.
        lower_lid: the same for the lower lids.
        ears: 1 on an ear.
    """

    texels: Int64[np.ndarray, " n"]
    filled_from: Int64[np.ndarray, " t"]
    points: Float32[np.ndarray, "n 3"]
    lips: Float32[np.ndarray, " n"]
    brow_along: Float32[np.ndarray, " n"]
    brow_across: Float32[np.ndarray, " n"]
    upper_lid: Float32[np.ndarray, " n"]
    lower_lid: Float32[np.ndarray, " n"]
    ears: Float32[np.ndarray, " n"]


@cache
def head_canvas() -> Canvas:
    """Return the canvas of the model of all portraits."""
    model = portrait_model()
    mean = mean_shape()
    side = TEXTURE_SIDE
    uv = model.topology.uv
    assert uv is not None
    flat = np.column_stack([uv[:, 0] * side - 0.5, (1 - uv[:, 1]) * side - 0.5, np.zeros(len(uv))])
    values = np.column_stack([mean, model.regions["ears"]]).astype(np.float32)
    layer = draw_values([Mesh(flat.astype(np.float32), model.topology)], [values], side, side)
    mask = np.zeros((side, side), bool)
    drawn = np.zeros((side, side, 4), np.float32)
    h, w = layer.mask.shape
    region = (slice(layer.y0, layer.y0 + h), slice(layer.x0, layer.x0 + w))
    mask[region], drawn[region] = layer.mask, layer.values
    points, ears = drawn[mask][:, :3], drawn[mask][:, 3]
    lines = _Lines(mean_landmarks())
    brow_along, brow_across = lines.brows(points)
    return Canvas(
        texels=np.flatnonzero(mask),
        filled_from=_nearest_filled(mask),
        points=points,
        lips=_inside_outline(points[:, :2], lines.of(_OUTER_LIPS)[:, :2]),
        brow_along=brow_along,
        brow_across=brow_across,
        upper_lid=lines.distance(points, _UPPER_LIDS),
        lower_lid=lines.distance(points, _LOWER_LIDS),
        ears=ears,
    )


@cache
def mean_shape() -> Float32[np.ndarray, "n 3"]:
    """Return the vertices of the mean head, model frame, mm."""
    return portrait_model().shape(portrait_model().params())


def mean_landmarks(name: str = "mediapipe478") -> dict[int, Float[np.ndarray, "3"]]:
    """Return the named points of the mean head by number, model frame, mm."""
    model = portrait_model()
    points = model.landmark_set(name)
    numbers = range(len(points)) if points.indices is None else points.indices.tolist()
    return dict(zip(numbers, points.positions(model.mean), strict=True))


class _Lines:
    """Polylines through landmarks of the mean head."""

    def __init__(self, landmarks: dict[int, Float[np.ndarray, "3"]]) -> None:
        self._landmarks = landmarks

    def of(self, numbers: tuple[int, ...]) -> Float32[np.ndarray, "n 3"]:
        return np.stack([self._landmarks[k] for k in numbers]).astype(np.float32)

    def distance(
        self, points: Float32[np.ndarray, "n 3"], lines: tuple[tuple[int, ...], ...]
    ) -> Float32[np.ndarray, " n"]:
        nearest = [_along(points, self.of(line))[1] for line in lines]
        return np.min(nearest, axis=0)

    def brows(
        self, points: Float32[np.ndarray, "n 3"]
    ) -> tuple[Float32[np.ndarray, " n"], Float32[np.ndarray, " n"]]:
        along, across = np.zeros(len(points), np.float32), np.full(len(points), 99.0, np.float32)
        for upper, lower in zip(_UPPER_BROWS, _LOWER_BROWS, strict=True):
            high, low = self.of(upper), self.of(lower)
            middle = (high + low) / 2
            thickness = np.linalg.norm(high - low, axis=1).mean() / 2
            at, distance = _along(points, middle)
            nearer = distance / thickness < across
            # MediaPipe counts from the temple.
            along[nearer] = 1 - at[nearer]
            across[nearer] = distance[nearer] / thickness
        return along, across


def _along(
    points: Float32[np.ndarray, "n d"], line: Float32[np.ndarray, "m d"]
) -> tuple[Float32[np.ndarray, " n"], Float32[np.ndarray, " n"]]:
    """Return how far along a polyline the nearest place is, 0 to 1, and its distance."""
    best, at = np.full(len(points), np.inf, np.float32), np.zeros(len(points), np.float32)
    lengths = np.linalg.norm(np.diff(line, axis=0), axis=1)
    starts = np.concatenate([[0.0], np.cumsum(lengths)])
    for a, b, length, start in zip(line[:-1], line[1:], lengths, starts[:-1], strict=True):
        t = np.clip((points - a) @ (b - a) / length**2, 0, 1)
        distance = np.linalg.norm(points - a - t[:, None] * (b - a), axis=1)
        nearer = distance < best
        best[nearer] = distance[nearer]
        at[nearer] = (start + t[nearer] * length) / starts[-1]
    return at, best


def _inside_outline(
    points: Float32[np.ndarray, "n 2"], outline: Float32[np.ndarray, "m 2"]
) -> Float32[np.ndarray, " n"]:
    """Return the distance to a closed outline, positive inside (even-odd rule)."""
    closed = np.concatenate([outline, outline[:1]])
    _, distance = _along(points, closed)
    x, y = points.T
    inside: Bool[np.ndarray, " n"] = np.zeros(len(points), bool)
    for (ax, ay), (bx, by) in pairwise(closed):
        crosses = (ay > y) != (by > y)
        if by != ay:
            inside ^= crosses & (x < ax + (y - ay) * (bx - ax) / (by - ay))
    return np.where(inside, distance, -distance).astype(np.float32)


def _nearest_filled(mask: Bool[np.ndarray, "s s"]) -> Int64[np.ndarray, " t"]:
    """Return for each texel the nearest one on the head, so that filters may read beyond the border."""
    places = np.full(mask.shape, -1, np.int64)
    places[mask] = np.arange(int(mask.sum()))
    for _ in range(8):
        for shift, axis in ((1, 0), (-1, 0), (1, 1), (-1, 1)):
            moved = np.roll(places, shift, axis)
            places = np.where(places < 0, moved, places)
    return np.maximum(places, 0).ravel()
