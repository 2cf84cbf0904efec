"""Search an image as far as its faces make it worth while."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tddfa.alignment.prediction import Source
from tddfa.alignment.verification import FaceVerifier, Verified
from tddfa.detection import BatchSearch, SearchStep
from tddfa.types import Detection

_SAME_FACE = 0.4  # intersection over union of two boxes on one face


@dataclass(frozen=True, slots=True)
class SeparateSearches:
    """The searches of several images, each by itself.

    Attributes:
        searches: steps of each image.
    """

    searches: Sequence[Iterator[SearchStep]]

    def step(self, active: Iterable[int], /) -> dict[int, SearchStep]:
        """Return the next step of some of the images, by their number; those at their end are left out."""
        return {k: step for k in active if (step := next(self.searches[k], None)) is not None}


def find_faces(
    images: Sequence[Source], searches: BatchSearch, verifier: FaceVerifier, most: int | None = None
) -> list[list[Verified]]:
    """Return the faces of each image, best first.

    A search goes on while no face is found, or one that is nearly too small to be found: where there is one,
    there may be smaller ones. A portrait is searched once, a crowd down to the pixels. Where only so many
    faces are wanted, it ends as soon as they are found; there may be more of them, and larger ones last.

    Args:
        images: RGB images, or their pyramids.
        searches: the detector's search of the images.
        verifier: decides which candidates are faces.
        most: number of faces that are wanted of an image; all of them by default.
    """
    found: list[list[Verified]] = [[] for _ in images]
    active = list(range(len(images)))
    while active:
        steps = searches.step(active)
        fresh = [_unknown(step.detections, found[k]) for k, step in steps.items()]
        verified = verifier.faces([images[k] for k in steps], fresh, most)
        for k, faces in zip(steps, verified, strict=True):
            found[k] = verifier.distinct([*found[k], *faces])
        active = [k for k, step in steps.items() if _goes_on(found[k], step, most)]
    return found


def _unknown(detections: Sequence[Detection], found: Sequence[Verified]) -> list[Detection]:
    """Return the detections that are not on faces found before."""
    return [d for d in detections if all(d.box.iou(face.detection.box) <= _SAME_FACE for face in found)]


def _goes_on(found: Sequence[Verified], step: SearchStep, most: int | None) -> bool:
    """Return whether a search has to go on after a step."""
    boxes = [face.detection.box for face in found]
    sides = sorted(((box.width + box.height) / 2 for box in boxes), reverse=True)
    if step.is_preview:
        # A larger face shows in a preview as well, unless even the smallest of these was found by luck.
        return most is None or len(sides) < most or sides[most - 1] < step.smallest
    # Where there is a face that is nearly too small, there may be smaller ones.
    return (most is None or len(sides) < most) and min(sides, default=0.0) < step.smallest
