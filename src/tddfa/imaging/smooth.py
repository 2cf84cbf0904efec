"""Values carried smoothly into where there are none."""

from __future__ import annotations

import numpy as np

from tddfa.imaging.opencv import cv2
from tddfa.shapes import Bool, Float32


def spread(
    values: Float32[np.ndarray, "h w c"], known: Bool[np.ndarray, "h w"], *, reach: float
) -> Float32[np.ndarray, "h w c"]:
    """`values` where they are known, and outside a smooth continuation that fades to 0.

    Args:
        values: any field.
        known: where it counts; nowhere gives 0 everywhere.
        reach: px after which little is left of it.
    """
    out = np.where(known[..., None], values, np.float32(0))
    if not known.any() or known.all():
        return out
    # Normalised convolution on a small image: it is smooth, and the mean of what is near.
    shrink = max(1, int(reach / 6))
    h, w = known.shape
    small = (max(1, w // shrink), max(1, h // shrink))
    weight = cv2.resize(known.astype(np.float32), small, interpolation=cv2.INTER_AREA)
    field = cv2.resize(out, small, interpolation=cv2.INTER_AREA).reshape(small[1], small[0], -1)
    # Wide tails reach what narrow ones do not; where both are, the narrow one weighs more.
    total, mass = np.zeros_like(field), np.full(weight.shape, 1e-12, np.float32)
    for factor, share in ((0.15, 1.0), (0.5, 1e-2), (1.5, 1e-4)):
        sigma = factor * reach / shrink
        total += share * cv2.GaussianBlur(field, (0, 0), sigma).reshape(field.shape)
        mass += np.float32(share) * cv2.GaussianBlur(weight, (0, 0), sigma)
    near = cv2.resize(total / mass[..., None], (w, h), interpolation=cv2.INTER_LINEAR).reshape(h, w, -1)
    distance = cv2.distanceTransform((~known).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    fade = np.exp(-np.square(distance / np.float32(reach)))
    return np.where(known[..., None], out, near * fade[..., None]).astype(np.float32)
