"""Values for the places that have none, from those around them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32


def push_pull(
    values: Float32[np.ndarray, "h w c"], weights: Float32[np.ndarray, "h w"], *, smooth: int = 0
) -> Float32[np.ndarray, "h w c"]:
    """Smooth values everywhere: those given where the weight is 1, and what surrounds them where it is 0.

    Args:
        values: any; ignored where the weight is 0.
        weights: how far each value is trusted, in [0, 1].
        smooth: leave out detail smaller than 2^smooth places, also where values are known.

    Source: Gortler et al., "The lumigraph", 1996, section 3.4 (push-pull).
    """
    height, width = weights.shape
    side = 1 << max(height - 1, width - 1, 1).bit_length()
    pad = ((0, side - height), (0, side - width))
    known = np.pad(weights, pad)[:, :, None]
    summed = np.pad(values * weights[:, :, None], (*pad, (0, 0)))
    levels = [(summed, known)]
    while known.shape[0] > 1:
        # Sums saturate at weight 1: a cell with one trusted value is as sure as one with four.
        summed, known = _halved(summed), _halved(known)
        scale = 1 / np.maximum(known, 1)
        summed, known = summed * scale, known * scale
        levels.append((summed, known))
    full = summed / np.maximum(known, np.finfo(np.float32).tiny)
    for level in reversed(range(len(levels) - 1)):
        summed, known = levels[level]
        full = _doubled(full)
        if level >= smooth:
            full = summed + (1 - known) * full
    return full[:height, :width].astype(np.float32, copy=False)


def _halved(a: Float32[np.ndarray, "h w c"]) -> Float32[np.ndarray, "h2 w2 c"]:
    rows = a[0::2] + a[1::2]
    return rows[:, 0::2] + rows[:, 1::2]


def _doubled(a: Float32[np.ndarray, "h w c"]) -> Float32[np.ndarray, "h2 w2 c"]:
    """Twice the size, linear between the centres of the cells."""
    for axis in (0, 1):
        near, far = np.float32(0.75) * a, np.float32(0.25) * a
        shape = list(a.shape)
        shape[axis] *= 2
        a = np.empty(shape, np.float32)
        out, near, far = (np.moveaxis(v, axis, 0) for v in (a, near, far))
        out[0::2] = out[1::2] = near
        out[2::2] += far[:-1]
        out[0] += far[0]
        out[1:-1:2] += far[1:]
        out[-1] += far[-1]
    return a
