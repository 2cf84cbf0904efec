"""Image → detections. A new kind of detector is a module and a line in the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from tddfa.deprecation import renamed_names
from tddfa.detection.anchor_free import AnchorFreeDetector
from tddfa.detection.faceboxes import FaceBoxes
from tddfa.packs.specs import ANY_DETECTOR, DetectorSpec
from tddfa.runtime import Network
from tddfa.types import Detection, Image


@runtime_checkable
class Detector(Protocol):
    """Anything that finds faces."""

    def detect(self, image: Image) -> Sequence[Detection]:
        """Return the faces of `image`, best first."""
        ...


DETECTORS: Mapping[str, Callable[[Network, Any], Detector]] = {
    "faceboxes": FaceBoxes.from_spec,
    "anchor-free": AnchorFreeDetector.from_spec,
}
"""Kind in a pack's manifest → detector from its network and its spec."""


def make_detector(network: Network, spec: DetectorSpec | Mapping[str, Any]) -> Detector:
    """Return the detector that a manifest describes.

    Args:
        network: its network.
        spec: the manifest's `detector`, or the JSON object of one.

    Raises:
        PackError: its kind is unknown, or a field is missing or wrong.
    """
    read = ANY_DETECTOR.read(spec, "detector")
    return DETECTORS[str(read.kind)](network, read)


__getattr__ = renamed_names(__name__, {"TddfaDetector": "tddfa.detection:AnchorFreeDetector"})

__all__ = ["DETECTORS", "AnchorFreeDetector", "Detector", "FaceBoxes", "make_detector"]
