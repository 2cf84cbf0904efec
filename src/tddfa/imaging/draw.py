"""Strokes: how much of each pixel a line, a disc or a dot covers.

Shapes come out as coverage rather than as changed images, so that the caller chooses colour, opacity and
background, also a transparent one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate

import numpy as np

from tddfa import native
from tddfa.imaging.opencv import cv2
from tddfa.shapes import Bool, Float, Float32, Int32, Int64, UInt8

_SHIFT = 4  # OpenCV takes coordinates in 1/16 px


def line_coverage(
    paths: Iterable[Float[np.ndarray, "_ 2"]],
    thickness: int,
    height: int,
    width: int,
    *,
    closed: bool = False,
) -> UInt8[np.ndarray, "height width"]:
    """Coverage of lines through the points of each path, anti-aliased; 255 is a full pixel.

    Args:
        paths: px, pixel centres at integers.
        thickness: px.
        height: of the result.
        width: of the result.
        closed: also join each path's last point to its first.
    """
    each = list(paths)
    points = np.concatenate(each) if each else np.zeros((0, 2), np.float32)
    return joined_line_coverage(points, [len(path) for path in each], thickness, height, width, closed=closed)


def joined_line_coverage(
    points: Float[np.ndarray, "n 2"],
    lengths: Sequence[int],
    thickness: int,
    height: int,
    width: int,
    *,
    closed: bool = False,
) -> UInt8[np.ndarray, "height width"]:
    """Coverage of lines, as `line_coverage`, with the points of all paths in one array.

    Args:
        points: of the first path, the second, …; px.
        lengths: how many of them each path has.
        thickness: px.
        height: of the result.
        width: of the result.
        closed: also join each path's last point to its first.
    """
    out = np.zeros((height, width), np.uint8)
    fixed = _fixed(points)
    paths = [fixed[end - n : end] for n, end in zip(lengths, accumulate(lengths), strict=True)]
    if paths:
        cv2.polylines(out, paths, closed, 255, thickness, cv2.LINE_AA, _SHIFT)
    return out


def disc_coverage(
    centers: Float[np.ndarray, "n 2"], radius: float, height: int, width: int
) -> UInt8[np.ndarray, "height width"]:
    """Coverage of discs of one radius (px), anti-aliased; 255 is a full pixel."""
    out = np.zeros((height, width), np.uint8)
    middles = np.ascontiguousarray(centers, np.float32)
    if native.kernel is None:
        _draw_discs(out, middles, np.float32(radius))
    else:
        native.kernel.discs(height, width, out, len(middles), middles, radius)
    return out


def _draw_discs(
    out: UInt8[np.ndarray, "height width"], centers: Float32[np.ndarray, "n 2"], radius: np.float32
) -> None:
    """The twin of the kernel: the distance to the middle says how much of a pixel is covered."""
    reach = radius + np.float32(0.5)
    height, width = out.shape
    inside = ((centers > -reach) & (centers < np.array([width, height], np.float32) + reach)).all(axis=1)
    x, y = centers[inside].T[..., None, None]
    steps = np.arange(-int(reach) - 1, int(reach) + 2)
    columns, rows = (np.rint(v).astype(np.int64) + s for v, s in ((x, steps), (y, steps[:, None])))
    columns, rows = np.broadcast_arrays(columns, rows)
    dx, dy = columns.astype(np.float32) - x, rows.astype(np.float32) - y
    part = np.clip(reach - np.sqrt(dx * dx + dy * dy), np.float32(0), np.float32(1))
    shown = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    np.maximum.at(out, (rows[shown], columns[shown]), np.rint(np.float32(255) * part[shown]).astype(np.uint8))


def segment_coverage(
    points: Float32[np.ndarray, "n d"],
    ends: Int32[np.ndarray, "m 2"],
    thickness: float,
    height: int,
    width: int,
    *,
    origin: tuple[int, int] = (0, 0),
    seen: Bool[np.ndarray, " n"] | None = None,
    widest: int = native.WIDEST,
) -> UInt8[np.ndarray, "height width"]:
    """Return the coverage of line segments, anti-aliased; 255 for a full pixel.

    For thousands of short lines, which `line_coverage` would take one by one.

    Args:
        points: x, y and perhaps more, px, pixel centres at integers; finite.
        ends: both ends of each segment, as indices of points.
        thickness: thickness of the lines, px.
        height: height of the result, px.
        width: width of the result, px.
        origin: column and row of the points' frame that are column and row 0 of the result.
        seen: points that show; a segment is drawn where both its ends do. All do when not given.
        widest: see `tddfa.native.WIDEST`.
    """
    out = np.zeros((height, width), np.uint8)
    if native.kernel is None:
        shown = ends if seen is None else ends[seen[ends].all(axis=1)]
        _draw_segments(out, (points[:, :2] - np.array(origin, np.float32))[shown], np.float32(thickness))
        return out
    points, ends = np.ascontiguousarray(points), np.ascontiguousarray(ends)
    seen = seen if seen is None else np.ascontiguousarray(seen)
    native.kernel.segments(
        *(height, width, out, *points.shape, points, *origin, len(ends), ends, seen, thickness, widest)
    )
    return out


def _draw_segments(
    out: UInt8[np.ndarray, "height width"], ends: Float32[np.ndarray, "n 2 2"], thickness: np.float32
) -> None:
    """The twin of the kernel: the distance to the segment gives the coverage of a pixel."""
    height, width = out.shape
    one, reach = np.float32(1), np.float32(0.5) * thickness + np.float32(0.5)
    low = np.floor(np.clip(ends.min(axis=1) - reach - 1, 0, [width, height])).astype(np.int64)
    high = np.ceil(np.clip(ends.max(axis=1) + reach + 2, 0, [width, height])).astype(np.int64)
    sides = np.maximum(high - low, 0)
    area = sides.prod(axis=1)
    # In parts, so that a few long lines do not fill the memory.
    for chosen in np.array_split(np.arange(len(ends)), 1 + int(area.sum()) // (1 << 22)):
        n_pixels = area[chosen]
        which = np.repeat(chosen, n_pixels)
        within = np.arange(len(which)) - np.repeat(np.cumsum(n_pixels) - n_pixels, n_pixels)
        columns = low[which, 0] + within % sides[which, 0]
        rows = low[which, 1] + within // sides[which, 0]
        a, b = ends[which].swapaxes(0, 1)
        dx, dy = (b - a).T
        square = dx * dx + dy * dy
        per_square = np.divide(one, square, out=np.zeros_like(square), where=square > 0)
        px, py = columns.astype(np.float32) - a[:, 0], rows.astype(np.float32) - a[:, 1]
        along = np.clip((px * dx + py * dy) * per_square, np.float32(0), one)
        ex, ey = px - along * dx, py - along * dy
        part = np.clip(reach - np.sqrt(ex * ex + ey * ey), np.float32(0), one)
        np.maximum.at(out, (rows, columns), np.rint(np.float32(255) * part).astype(np.uint8))


def squares(
    x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], side: int, height: int, width: int
) -> tuple[Int64[np.ndarray, " m"], Int64[np.ndarray, " m"]]:
    """Rows and columns of the pixels of many small squares, as far as they lie in the image.

    They snap to whole pixels: spread over four of them, a dot of one pixel can hardly be seen.

    Args:
        x: their middles, px.
        y: their middles, px.
        side: px.
        height: of the image.
        width: of the image.
    """
    offset = np.float32((side - 1) / 2)
    step = np.arange(side)
    columns = (np.rint(x - offset).astype(np.int64)[:, None, None] + step).repeat(side, axis=1).ravel()
    rows = (np.rint(y - offset).astype(np.int64)[:, None, None] + step[:, None]).repeat(side, axis=2).ravel()
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    return rows[inside], columns[inside]


def text_coverage(text: str, size: float, height: int, width: int) -> UInt8[np.ndarray, "height width"]:
    """Coverage of one line of text (ASCII), `size` px high, that starts at the left; 255 is a full pixel."""
    out = np.zeros((height, width), np.uint8)
    scale, base = size / 30, round((height + 0.7 * size) / 2)
    cv2.putText(out, text, (4, base), cv2.FONT_HERSHEY_SIMPLEX, scale, 255, 1, cv2.LINE_AA)
    return out


def masked(image: UInt8[np.ndarray, "h w c"], mask: Bool[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w c"]:
    """The image, black where the mask is not set."""
    return np.asarray(cv2.copyTo(image, mask.view(np.uint8)), np.uint8)


def without_holes(mask: Bool[np.ndarray, "h w"], radius: float) -> Bool[np.ndarray, "h w"]:
    """The mask with its holes and cracks of up to twice `radius` (px) closed."""
    if mask.size == 0:
        return mask
    # Growing and then shrinking by distance: cv2.morphologyEx takes time with the square of the radius.
    edge = int(np.ceil(radius)) + 1
    grown = np.pad((~mask).view(np.uint8), edge, constant_values=1)
    grown = cv2.distanceTransform(grown, cv2.DIST_L2, cv2.DIST_MASK_3) <= radius
    closed = cv2.distanceTransform(grown.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_3) > radius
    return np.asarray(closed[edge:-edge, edge:-edge] | mask)


def distance_inside(mask: Bool[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    """How far each pixel of the mask is from the nearest one outside it, px; 0 outside."""
    if mask.size == 0:
        return np.zeros(mask.shape, np.float32)
    return np.asarray(cv2.distanceTransform(mask.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_3), np.float32)


def _fixed(points: Float[np.ndarray, "n 2"]) -> np.ndarray:
    # Far outside any image nothing changes, but OpenCV's 32-bit coordinates would overflow.
    # Not np.clip, which takes three times as long for a few points.
    return np.rint(np.minimum(np.maximum(points, -1e6), 1e6) * (1 << _SHIFT)).astype(np.int32)
