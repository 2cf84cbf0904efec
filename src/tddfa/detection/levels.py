"""The sizes at which an image is searched: a detector reads faces of a limited range of sizes.

A face that fills the image is found in a small copy of it, the faces of a crowd in large copies that are read
tile by tile. The ranges of neighbouring sizes overlap, so no face falls between them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from tddfa.dataclass import dataclass
from tddfa.types import Detection

MAX_SEARCH_SIDE = 6144
"""Longest side of a copy when no size is asked for, px: about 90 times the work of one of 640 px."""

RELIABLE_PX = 20.0
"""Side from which faces are found, px of a copy: 94 % of 112 faces of photos; 79 % at 15 px, 49 % at 12."""

# Longer side of the copy for faces that fill the image. Faces of 43 photos, cut out tightly, are all found at
# 128 to 384 px, and a third to two thirds of them at 768 px and above.
_COARSE_SIDE = 128
_COARSE_SHARE = 0.35  # smallest face that is taken from this copy, in longer sides of the image
_COARSE_FROM = 2.5  # sides of this copy from which the image itself shows such faces too large

_PREVIEW_FROM = 1.5  # ratio of the sides of image and preview from which a preview is worth its time

_MAX_RATIO = 2.6  # between the sizes of two copies
_LARGEST_IN_TILE_PX = (
    96.0  # of a face, px of a copy that is read in tiles; smaller copies have the larger faces
)
_TILE_PX = 1024
_TILE_OVERLAP_PX = 128


@dataclass(frozen=True, slots=True)
class SearchStep:
    """What a search has found in one more copy of an image.

    Attributes:
        detections: the faces, best first; those of earlier steps may be among them.
        smallest: side from which nearly all faces have been found by now, px of the image.
        is_preview: whether the copy was so small that it shows the largest faces alone.
    """

    detections: list[Detection]
    smallest: float
    is_preview: bool = False


@dataclass(frozen=True, slots=True)
class Level:
    """A copy of the image that is searched.

    Attributes:
        side: longer side of the copy, px.
        min_face: side of the smallest face that is taken from this copy, px of the image.
        max_face: side of the largest face that is taken from this copy, px of the image.
        tiled: whether the copy is read tile by tile.
        fallback: whether the copy is read only where the base copy shows no clear face. Beside one it shows
            no face that the base copy lacks: 1,128 faces of photos, degraded and turned ones and frames are
            found with it and without it.
        is_preview: whether the copy is read for the largest faces alone.
    """

    side: int
    min_face: float = 0.0
    max_face: float = math.inf
    tiled: bool = False
    fallback: bool = False
    is_preview: bool = False


@dataclass(frozen=True, slots=True)
class Tile:
    """A rectangle of a copy, and the part of it whose faces no other tile has.

    Attributes:
        x0: left side, px.
        y0: upper side, px.
        x1: right side, px.
        y1: lower side, px.
        core: (x0, y0, x1, y1) of the part for the centres of faces; infinite at borders of the image.
    """

    x0: int
    y0: int
    x1: int
    y1: int
    core: tuple[float, float, float, float]


def levels(longer_side: int, max_side: int, search_size: int | None) -> list[Level]:
    """Return the copies in which an image is searched, that for most faces first, that for the smallest last.

    Args:
        longer_side: longer side of the image, px.
        max_side: longer side of the images that the detector was trained with, px.
        search_size: longest side of a copy, px; by default that of the image, up to `MAX_SEARCH_SIDE`.
    """
    finest = min(longer_side, MAX_SEARCH_SIDE if search_size is None else search_size)
    base = min(finest, max_side)
    out = [Level(base)]
    if base >= _COARSE_FROM * _COARSE_SIDE:
        out.append(Level(_COARSE_SIDE, min_face=_COARSE_SHARE * longer_side, fallback=True))
    # What is hardly larger shows hardly smaller faces.
    n_finer = math.ceil(math.log(finest / base) / math.log(_MAX_RATIO) - 0.1)
    for k in range(1, n_finer + 1):
        side = round(base * (finest / base) ** (k / n_finer))
        out.append(Level(side, max_face=_LARGEST_IN_TILE_PX * longer_side / side, tiled=True))
    return out


def preview(longer_side: int, max_side: int) -> Level | None:
    """Return a copy that shows the largest faces in a quarter of the time of the first of `levels`.

    Args:
        longer_side: longer side of the image, px.
        max_side: longer side of the images that the detector was trained with, px.

    Returns:
        None for an image that is hardly larger.
    """
    side = max_side // 2
    return Level(side, is_preview=True) if longer_side > _PREVIEW_FROM * side else None


def whole(width: int, height: int) -> Tile:
    """Return a copy as one tile."""
    return Tile(0, 0, width, height, (-math.inf, -math.inf, math.inf, math.inf))


def tiles(width: int, height: int) -> Iterator[Tile]:
    """Yield the tiles of a copy, row by row."""
    for y0, y1, core_y0, core_y1 in _spans(height):
        for x0, x1, core_x0, core_x1 in _spans(width):
            yield Tile(x0, y0, x1, y1, (core_x0, core_y0, core_x1, core_y1))


def _spans(length: int) -> list[tuple[int, int, float, float]]:
    """Return start, end, and the core's start and end of equal spans that cover a length and overlap."""
    n = max(math.ceil((length - _TILE_OVERLAP_PX) / (_TILE_PX - _TILE_OVERLAP_PX)), 1)
    size = math.ceil((length + (n - 1) * _TILE_OVERLAP_PX) / n)
    starts = [min(k * (size - _TILE_OVERLAP_PX), length - size) for k in range(n)]
    edges = [-math.inf, *((b + a + size) / 2 for a, b in pairwise(starts)), math.inf]
    return [(start, start + size, edges[k], edges[k + 1]) for k, start in enumerate(starts)]
