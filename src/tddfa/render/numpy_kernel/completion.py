"""Values for the texels that an image does not show, in NumPy."""

from __future__ import annotations

import numpy as np

from tddfa.render.kernel_values import PER_LIGHT, coarse_levels
from tddfa.shapes import Float32, UInt8


def complete(
    colors: Float32[np.ndarray, "3 size size"], trust: Float32[np.ndarray, "size size"], *, symmetric: bool
) -> UInt8[np.ndarray, "size size 3"]:
    """Return a texture without holes.

    Texels that are not trusted mirror the other half; what is then left is filled smoothly.

    Args:
        colors: 0 to 255, as far as they are trusted.
        trust: in [0, 1].
        symmetric: whether the layout is its own mirror image.
    """
    size = len(trust)
    one = np.float32(1)
    known, sums = trust, trust * colors
    if symmetric:
        # Light falls differently on the halves: carry over the coarse difference, known where both are seen.
        # What differs more than light does is hair, a hand or background on one side.
        other, other_trust = colors[:, :, ::-1], trust[:, ::-1]
        difference = colors - other
        most = np.abs(difference).max(axis=0) * PER_LIGHT
        rest = np.maximum(one - most * most, np.float32(0))
        weight = np.minimum(trust, other_trust) * (rest * rest)
        smooth = coarse_levels(size)
        carried = push_pull(_padded(difference * weight), _padded(weight), smooth)[:, :size, :size]
        part = (one - trust) * other_trust
        known = trust + part
        sums = trust * colors + part * (other + carried)
    full = push_pull(_padded(sums), _padded(known), 0)[:, :size, :size]
    return np.ascontiguousarray(np.moveaxis(np.rint(np.clip(full, 0, 255)).astype(np.uint8), 0, -1))


def _padded(a: Float32[np.ndarray, "*c size size"]) -> Float32[np.ndarray, "*c side side"]:
    size = a.shape[-1]
    more = (0, (1 << (size - 1).bit_length()) - size)
    return np.pad(a, [(0, 0)] * (a.ndim - 2) + [more, more])


def push_pull(
    sums: Float32[np.ndarray, "c side side"], known: Float32[np.ndarray, "side side"], smooth: int
) -> Float32[np.ndarray, "c side side"]:
    """Return smooth values everywhere: those given where the weight is 1, their surroundings where it is 0.

    Args:
        sums: values times weights, in squares whose side is a power of two.
        known: the weights, in [0, 1].
        smooth: number of the finest levels that are left out, also where values are known.

    Source: Gortler et al., "The lumigraph", 1996, section 3.4 (push-pull).
    """
    levels = [(sums, known)]
    while len(known) > 1:
        sums, known = _halved(sums), _halved(known)
        # Weights saturate at 1: a cell with one trusted value is as sure as one with four.
        scale = np.float32(1) / np.maximum(known, np.float32(1))
        sums, known = sums * scale, known * scale
        levels.append((sums, known))
    full = sums / np.maximum(known, np.finfo(np.float32).tiny)
    for level in reversed(range(len(levels) - 1)):
        sums, known = levels[level]
        full = _doubled(full)
        if level >= smooth:
            full = sums + (np.float32(1) - known) * full
    return full


def _halved(a: Float32[np.ndarray, "*c h w"]) -> Float32[np.ndarray, "*c h2 w2"]:
    rows = a[..., 0::2, :] + a[..., 1::2, :]
    return rows[..., 0::2] + rows[..., 1::2]


def _doubled(a: Float32[np.ndarray, "c h w"]) -> Float32[np.ndarray, "c h2 w2"]:
    """Return the planes at twice the size, linear between the centres of the cells."""
    for axis in (1, 2):
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
