"""How a network reads pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float32

from tddfa.types import Image

_ORDERS = ("rgb", "bgr")


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

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> PixelFormat:
        """The `input` of a detector or regressor in a manifest.

        Raises:
            KeyError: a setting is missing.
            ValueError: a setting is none of what there is.
        """
        a, b, c = settings["mean"]
        if settings["channels"] not in _ORDERS:
            raise ValueError(f"channels {settings['channels']!r}; known are {', '.join(_ORDERS)}")
        return cls((a, b, c), settings["scale"], settings["channels"])

    def blob(self, images: Sequence[Image]) -> Float32[np.ndarray, "n 3 h w"]:
        """What the network is given for RGB pictures of one size; at least one."""
        options: dict[str, Any] = {
            "scalefactor": self.scale,
            "mean": self.mean,
            "swapRB": self.channels == "bgr",
        }
        if len(images) == 1:  # OpenCV's function for many takes twice as long
            return np.asarray(cv2.dnn.blobFromImage(images[0], **options), np.float32)
        return np.asarray(cv2.dnn.blobFromImages(list(images), **options), np.float32)
