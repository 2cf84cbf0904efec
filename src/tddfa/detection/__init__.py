"""Image → detections. A new kind of detector is a module and a line in the table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from tddfa.deprecation import renamed_names
from tddfa.detection.anchor_free import AnchorFreeDetector
from tddfa.detection.faceboxes import FaceBoxes
from tddfa.detection.levels import SearchStep
from tddfa.packs.specs import ANY_DETECTOR, DetectorSpec
from tddfa.runtime import Network
from tddfa.types import Detection, Image


@runtime_checkable
class Detector(Protocol):
    """Anything that finds faces."""

    def detect(self, image: Image) -> Sequence[Detection]:
        """Return the faces of `image`, best first."""
        ...


@runtime_checkable
class BatchSearch(Protocol):
    """The searches of several images."""

    def step(self, active: Iterable[int], /) -> Mapping[int, SearchStep]:
        """Return the next step of some of the images, by their number; those at their end are left out."""
        ...


@runtime_checkable
class ScalableDetector(Detector, Protocol):
    """A detector whose thoroughness can be chosen."""

    def detect(self, image: Image, *, search_size: int | None = None) -> Sequence[Detection]:
        """Return the faces of `image`, best first.

        Args:
            image: RGB (h, w, 3), uint8.
            search_size: longer side at which the image is searched, px; the detector chooses by default.
        """
        ...

    def search(self, image: Image) -> Iterator[SearchStep]:
        """Yield the faces of ever larger copies of `image`, as long as the caller wants more."""
        ...

    def smallest_face(self, width: int, height: int, *, search_size: int | None = None) -> float:
        """Return the side from which nearly all faces are found in an image of this size, px."""
        ...


@runtime_checkable
class BatchDetector(Detector, Protocol):
    """A detector that reads several images in one run of its network."""

    def search_batch(self, images: Sequence[Image], *, search_size: int | None = None) -> BatchSearch:
        """Return the searches of several images, which may share the runs of a network.

        Args:
            images: RGB (h, w, 3), uint8.
            search_size: longer side at which the images are searched in one step, px; ever larger copies by
                default.
        """
        ...


@runtime_checkable
class LargestFirstDetector(Detector, Protocol):
    """A detector that shows the largest faces sooner than the others."""

    def search_largest(self, images: Sequence[Image]) -> BatchSearch:
        """Return the searches of several images for their largest faces.

        Args:
            images: RGB (h, w, 3), uint8.
        """
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

__all__ = [
    "DETECTORS",
    "AnchorFreeDetector",
    "BatchDetector",
    "BatchSearch",
    "Detector",
    "FaceBoxes",
    "LargestFirstDetector",
    "ScalableDetector",
    "SearchStep",
    "make_detector",
]
