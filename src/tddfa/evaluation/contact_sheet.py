"""Contact sheets: the worst faces on one image."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tddfa.evaluation.report import Report, View
from tddfa.imaging.draw import disc_coverage, line_coverage, text_coverage
from tddfa.imaging.warp import cut, resize
from tddfa.render.compose import blend_color
from tddfa.shapes import Float64
from tddfa.types import Image

TRUTH = (60, 220, 90)
PREDICTED = (255, 70, 50)
_BETWEEN = (255, 230, 90)

_TILE = 256
_TITLE = 20


def contact_sheet(report: Report, rows: Sequence[int]) -> Image:
    """Return faces side by side: truth green, prediction red, a yellow line between the two.

    Args:
        report: a report whose protocol can show faces.
        rows: numbers of the report's rows, in this order.
    """
    if report.view is None:
        raise ValueError("the report has no faces to show")
    columns = min(8, max(1, math.ceil(math.sqrt(len(rows) * 1.5))))
    sheet = np.full((math.ceil(len(rows) / columns) * (_TILE + _TITLE), columns * _TILE, 3), 24, np.uint8)
    for place, k in enumerate(rows):
        y, x = (place // columns) * (_TILE + _TITLE), (place % columns) * _TILE
        row = report.rows[k]
        sheet[y : y + _TILE, x : x + _TILE] = _tile(report.view(k))
        title = f"{row['name']}  {row['error']:.2f}"
        if "yaw_deg" in row:
            title += f"  yaw {row['yaw_deg']:.0f}"
        blend_color(sheet, text_coverage(title, 14, _TITLE, _TILE), (235, 235, 235), x0=x, y0=y + _TILE)
    return sheet


def _tile(view: View) -> Image:
    """Return the face with its points, cropped to them."""
    both = np.concatenate([view.truth, view.predicted])
    low, high = both.min(axis=0), both.max(axis=0)
    # Not far beyond the image: one lost point would leave nothing to see of the others.
    size = np.array([view.image.shape[1], view.image.shape[0]])
    low, high = np.clip(low, -0.2 * size, size), np.clip(high, 0, 1.2 * size)
    side = max(8, math.ceil(1.2 * float((high - low).max())))
    x0, y0 = (math.floor(v) for v in (low + high) / 2 - side / 2)
    tile = resize(cut(view.image, x0, y0, x0 + side, y0 + side), _TILE, _TILE).copy()
    truth, predicted = (_in_tile(points, x0, y0, side) for points in (view.truth, view.predicted))
    pairs = [np.stack(pair) for pair in zip(truth, predicted, strict=True)]
    blend_color(tile, line_coverage(pairs, 1, _TILE, _TILE), _BETWEEN, alpha=0.8)
    blend_color(tile, disc_coverage(truth, 1.8, _TILE, _TILE), TRUTH)
    blend_color(tile, disc_coverage(predicted, 1.8, _TILE, _TILE), PREDICTED)
    return tile


def _in_tile(points: Float64[np.ndarray, "n 2"], x0: int, y0: int, side: int) -> Float64[np.ndarray, "n 2"]:
    return (points - np.array([x0, y0]) + 0.5) * (_TILE / side) - 0.5
