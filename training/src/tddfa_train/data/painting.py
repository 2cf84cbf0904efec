"""Painting things over face images."""

import cv2
import numpy as np
from jaxtyping import Float, UInt8

SHIFT = 3
"""Bits below the pixel that things are drawn with."""


def fixed(points: Float[np.ndarray, "n 2"]) -> np.ndarray:
    """Points in the fixed-point numbers that OpenCV draws with below a pixel."""
    return np.round(points * 2**SHIFT).astype(np.int32)


def filled(outline: Float[np.ndarray, "n 2"], side: int) -> Float[np.ndarray, "s s"]:
    """How much of each pixel of a square image lies within the outline, 0 to 1."""
    alpha = np.zeros((side, side), np.float32)
    cv2.fillPoly(alpha, [fixed(outline)], 1.0, cv2.LINE_AA, SHIFT)
    return alpha


def blended(
    image: UInt8[np.ndarray, "s s 3"], cover: np.ndarray, alpha: Float[np.ndarray, "s s"]
) -> UInt8[np.ndarray, "s s 3"]:
    """The image under a cover of that opacity."""
    share = np.clip(alpha, 0, 1)[..., None]
    return np.clip(image * (1 - share) + cover * share, 0, 255).astype(np.uint8)


def scenery(
    fillers: UInt8[np.ndarray, "n f f 3"], side: int, rng: np.random.Generator
) -> UInt8[np.ndarray, "s s 3"]:
    """One of the face-free images, of that side."""
    filler = fillers[rng.integers(len(fillers))]
    if filler.shape[0] == side:
        return filler
    return cv2.resize(filler, (side, side), interpolation=cv2.INTER_AREA)
