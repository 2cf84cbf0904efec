"""The texture layout of the face crop, made of that of the head, of which the face is a sixth."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float32

_BORDER = 0.01  # of the square that stays free: subdivision may bulge by a fifth of it
# Beside the chin the face leaves the lower corners of the square free: for the eyeballs, this large.
_EYEBALL = 0.19


def face_layout(
    uv: Float32[np.ndarray, "n_uv 2"],
    inside: Bool[np.ndarray, " n_uv"],
    eyeball: Bool[np.ndarray, " n_uv"],
) -> Float32[np.ndarray, "n_uv 2"]:
    """Texture coordinates with the face filling the unit square, the eyeballs in its lower corners.

    Args:
        uv: the layout of the head, symmetric in u, v up.
        inside: which of its points belong to the face.
        eyeball: which of them lie on the eyeballs, which the head has in its corners.
    """
    placed = np.empty_like(uv)
    skin = uv[inside & ~eyeball]
    reach = np.abs(skin[:, 0] - 0.5).max()  # the same to both sides, so that it stays symmetric
    low, high = np.array([0.5 - reach, skin[:, 1].min()]), np.array([0.5 + reach, skin[:, 1].max()])
    placed[~eyeball] = _BORDER + (uv[~eyeball] - low) / (high - low) * (1 - 2 * _BORDER)
    for side, corner in ((uv[:, 0] < 0.5, _BORDER), (uv[:, 0] >= 0.5, 1 - _BORDER - _EYEBALL)):
        ball = eyeball & side
        low, high = uv[ball].min(axis=0), uv[ball].max(axis=0)
        placed[ball] = (corner, _BORDER) + (uv[ball] - low) / (high - low) * _EYEBALL
    return placed
