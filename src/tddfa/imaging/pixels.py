"""How a network reads pixels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.imaging.opencv import cv2
from tddfa.shapes import Float32
from tddfa.types import Image


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """A network's input: (value − mean) · scale, channels first.

    Attributes:
        mean: subtracted from each channel, in the order of `channels`.
        scale: multiplied afterwards.
        channels: the order that the network expects, "rgb" or "bgr".
    """

    mean: tuple[float, float, float]
    scale: float
    channels: str

    def blob(self, images: Sequence[Image]) -> Float32[np.ndarray, "n 3 h w"]:
        """What the network is given for RGB images of one size; at least one."""
        height, width = images[0].shape[:2]
        out = np.empty((len(images), 3, height, width), np.float32)
        tables = _tables(self.mean, self.scale)
        for planes, image in zip(out, images, strict=True):
            channels = cv2.split(image)
            for plane, channel, table in zip(
                planes, channels if self.channels == "rgb" else channels[::-1], tables, strict=True
            ):
                cv2.LUT(channel, table, dst=plane)
        return out


@lru_cache(maxsize=8)
def _tables(mean: tuple[float, float, float], scale: float) -> list[Float32[np.ndarray, "256"]]:
    """What each value of each channel becomes: looking it up takes half the time of OpenCV's blobs."""
    values = np.arange(256, dtype=np.float32)
    return [(values - np.float32(m)) * np.float32(scale) for m in mean]
