"""Overlap of boxes, and the choice among boxes that overlap."""

from __future__ import annotations

import numpy as np

from tddfa.shapes import Bool, Float, Int


def intersection_over_union(
    a: Float[np.ndarray, "n 4"], b: Float[np.ndarray, "m 4"]
) -> Float[np.ndarray, "n m"]:
    """Return the shared area of each pair of boxes (x0, y0, x1, y1), as a part of the area of their union."""
    extent = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    shared = np.clip(extent, 0, None).prod(axis=2)
    area_a = (a[:, 2:] - a[:, :2]).prod(axis=1)
    area_b = (b[:, 2:] - b[:, :2]).prod(axis=1)
    return shared / np.maximum(area_a[:, None] + area_b[None, :] - shared, np.finfo(a.dtype).tiny)


def overlapping(
    a: Float[np.ndarray, "n 4"], b: Float[np.ndarray, "m 4"], min_overlap: float
) -> Bool[np.ndarray, "n m"]:
    """Return of which pairs of boxes (x0, y0, x1, y1) the intersection over union is more than a limit."""
    # Column by column, without a division: a quarter of the time of all overlaps.
    (x0, y0, x1, y1), (u0, v0, u1, v1) = np.ascontiguousarray(a.T)[:, :, None], np.ascontiguousarray(b.T)
    width, height = np.minimum(x1, u1) - np.maximum(x0, u0), np.minimum(y1, v1) - np.maximum(y0, v0)
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    union = (x1 - x0) * (y1 - y0) + (u1 - u0) * (v1 - v0) - shared
    return shared > min_overlap * union


_BLOCK = 64  # boxes whose overlaps with all others are held at a time


def non_maximum_suppression(
    boxes: Float[np.ndarray, "n 4"], scores: Float[np.ndarray, " n"], max_overlap: float, *, grow: float = 0.0
) -> Int[np.ndarray, " kept"]:
    """Return the indices of the boxes to keep, best first: none overlaps a better one by more than a limit.

    Args:
        boxes: (x0, y0, x1, y1).
        scores: score of each box.
        max_overlap: largest intersection over union of two boxes that are both kept.
        grow: added to every width and height; 1 where corners are taken as pixels, as the published
            detectors do.
    """
    if len(boxes) < 2:
        return np.arange(len(boxes), dtype=np.int64)
    order = np.argsort(-scores, kind="stable")
    # Corners in rows, best box first. The calls of NumPy cost more than the arithmetic for a few dozen boxes:
    # many overlaps at once take a sixth of the time of one box after the other.
    corners = np.ascontiguousarray((boxes[order] + np.array([0, 0, grow, grow], boxes.dtype)).T)
    tiny = np.finfo(boxes.dtype).tiny
    kept: list[np.ndarray] = []
    while order.size:
        x0, y0, x1, y1 = corners
        area = (x1 - x0) * (y1 - y0)
        width = np.minimum(x1[:_BLOCK, None], x1) - np.maximum(x0[:_BLOCK, None], x0)
        height = np.minimum(y1[:_BLOCK, None], y1) - np.maximum(y0[:_BLOCK, None], y0)
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        union = np.maximum(area + area[:_BLOCK, None] - shared, tiny)
        apart = shared / union <= max_overlap
        free = np.ones(len(order), bool)
        for k in range(len(apart)):
            if free[k]:
                free &= apart[k]
                free[k] = True
        kept.append(order[:_BLOCK][free[:_BLOCK]])
        free[:_BLOCK] = False
        order, corners = order[free], corners[:, free]
    return np.concatenate(kept).astype(np.int64) if kept else np.zeros(0, np.int64)
