"""Images taken in the dark."""

from __future__ import annotations

import numpy as np

from tddfa.imaging.opencv import cv2
from tddfa.types import Image

_BRIGHT = 220.0  # the brightest hundredth of a well lit image
_DARK = 48.0  # and of one that was taken in the dark
_NOISE_PX = 1.5  # over which the noise, which light would make as strong as the image, is averaged


def brightness(image: Image) -> float:
    """Return the level of the brightest hundredth of an image, 0 to 255."""
    # What np.percentile gives; that one loads numpy.ma, which takes longer than the detector.
    values = image[::8, ::8].ravel()
    position = (len(values) - 1) * 0.99
    below = int(position)
    above = min(below + 1, len(values) - 1)
    part = np.partition(values, (below, above))
    low, high, share = float(part[below]), float(part[above]), position - below
    return high - (high - low) * (1 - share) if share >= 0.5 else low + (high - low) * share


def brighten_dark(image: Image, brightest: float | None = None) -> Image:
    """Return the image; where it was taken in the dark, brightened and without its noise.

    Args:
        image: RGB.
        brightest: its `brightness`, where it is known.
    """
    brightest = brightness(image) if brightest is None else brightest
    if brightest >= _DARK:
        return image
    smooth = cv2.GaussianBlur(image, (0, 0), _NOISE_PX)
    return cv2.convertScaleAbs(smooth, alpha=_BRIGHT / max(brightest, 1.0)).astype(np.uint8, copy=False)
