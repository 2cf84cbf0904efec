"""Numbers as colours."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from tddfa.errors import InputError
from tddfa.imaging.opencv import cv2
from tddfa.shapes import Float, Float32

COLORMAPS = {
    "turbo": cv2.COLORMAP_TURBO,
    "viridis": cv2.COLORMAP_VIRIDIS,
    "magma": cv2.COLORMAP_MAGMA,
    "inferno": cv2.COLORMAP_INFERNO,
    "plasma": cv2.COLORMAP_PLASMA,
    "cividis": cv2.COLORMAP_CIVIDIS,
    "jet": cv2.COLORMAP_JET,
}


def false_colors(values: Float[np.ndarray, " n"], name: str) -> Float32[np.ndarray, "n 3"]:
    """RGB in [0, 1] of values in [0, 1]; values beyond take the colour of the end.

    Args:
        values: NaN counts as 0.
        name: turbo, viridis, magma, inferno, plasma, cividis or jet.

    Raises:
        InputError: there is no such map.
    """
    position = np.clip(np.nan_to_num(values), 0, 1) * 255
    low = np.minimum(position.astype(np.int64), 254)
    part = (position - low).astype(np.float32)[:, None]
    table = _table(name)
    return (1 - part) * table[low] + part * table[low + 1]


@lru_cache
def _table(name: str) -> Float32[np.ndarray, "256 3"]:
    if name not in COLORMAPS:
        raise InputError(f"no colour map {name!r}; choose one of {', '.join(COLORMAPS)}")
    bgr = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], COLORMAPS[name])[:, 0]
    return np.ascontiguousarray(bgr[:, ::-1]).astype(np.float32) / np.float32(255)
