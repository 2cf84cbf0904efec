"""Overlap of boxes, and the choice among boxes that overlap."""

from __future__ import annotations

import numpy as np

from tddfa.shapes import Float, Int


def intersection_over_union(
    a: Float[np.ndarray, "n 4"], b: Float[np.ndarray, "m 4"]
) -> Float[np.ndarray, "n m"]:
    """Return the shared area of each pair of boxes (x0, y0, x1, y1), as a part of the area of their union."""
    extent = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    shared = np.clip(extent, 0, None).prod(axis=2)
    area_a = (a[:, 2:] - a[:, :2]).prod(axis=1)
    area_b = (b[:, 2:] - b[:, :2]).prod(axis=1)
    return shared / np.maximum(area_a[:, None] + area_b[None, :] - shared, np.finfo(a.dtype).tiny)


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
    # One row per coordinate: for a few dozen boxes, the calls of NumPy cost more than the arithmetic.
    x0, y0, x1, y1 = np.ascontiguousarray((boxes + np.array([0, 0, grow, grow], dtype=boxes.dtype)).T)
    area, tiny = (x1 - x0) * (y1 - y0), np.finfo(boxes.dtype).tiny
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while order.size:
        best, order = order[0], order[1:]
        kept.append(int(best))
        width = np.minimum(x1[order], x1[best]) - np.maximum(x0[order], x0[best])
        height = np.minimum(y1[order], y1[best]) - np.maximum(y0[order], y0[best])
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        union = np.maximum(area[order] + area[best] - shared, tiny)
        order = order[shared / union <= max_overlap]
    return np.array(kept, dtype=np.int64)
