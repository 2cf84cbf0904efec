"""Image → detections. A new kind of detector is a module and a line in the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from tddfa.deprecation import renamed_names
from tddfa.detection.anchor_free import AnchorFreeDetector
from tddfa.detection.faceboxes import FaceBoxes
from tddfa.packs import make_part
from tddfa.runtime import Network
from tddfa.types import Detection, Image


@runtime_checkable
class Detector(Protocol):
    """Anything that finds faces."""

    def detect(self, image: Image) -> Sequence[Detection]:
        """Return the faces of `image`, best first."""
        ...


DETECTORS: Mapping[str, Callable[[Network, Mapping[str, Any]], Detector]] = {
    "faceboxes": FaceBoxes.from_settings,
    "tddfa": AnchorFreeDetector.from_settings,
}
"""Kind in a pack's manifest → detector from its network and settings."""


def make_detector(network: Network, settings: Mapping[str, Any]) -> Detector:
    """Return the detector that a manifest describes.

    Raises:
        PackError: its kind is unknown or its settings are incomplete or wrong.
    """
    return make_part("detector", DETECTORS, settings, network, settings)


__getattr__ = renamed_names(__name__, {"TddfaDetector": "tddfa.detection:AnchorFreeDetector"})

__all__ = ["DETECTORS", "AnchorFreeDetector", "Detector", "FaceBoxes", "make_detector"]
