"""Search an image as far as its faces make it worth while."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tddfa.alignment.prediction import Source
from tddfa.alignment.verification import SAME_FACE, FaceVerifier, Verified
from tddfa.dataclass import dataclass
from tddfa.detection import BatchSearch, SearchStep
from tddfa.detection.faint import LIKELY_SCORE, is_clear
from tddfa.types import Detection

# Side of a face that is not clear, in sides of the smallest that a copy shows reliably, from which a larger
# one would show as well.
_UNCLEAR = 1.5


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
    faces are wanted, it ends as soon as they are found; more of them may come back, in no order of size.

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
        fresh = [_wanted(step, found[k], most) for k, step in steps.items()]
        known = [[] if most is None else [face.detection for face in found[k]] for k in steps]
        verified = verifier.faces([images[k] for k in steps], fresh, known=known, most=most)
        for k, faces in zip(steps, verified, strict=True):
            found[k] = verifier.distinct([*found[k], *faces])
        active = [k for k, step in steps.items() if _goes_on(found[k], step, most)]
    return found


def _wanted(step: SearchStep, found: Sequence[Verified], most: int | None) -> list[Detection]:
    """Return the detections of a step that are worth verifying after what was found before."""
    unknown = _unknown(step.detections, found)
    if most is None:
        return unknown
    # A preview is for likely candidates alone: the next copy shows more of the doubtful ones.
    likely_only = step.is_preview or len(found) >= most
    least = _areas(found)[most - 1] if len(found) >= most else 0.0
    return [d for d in unknown if d.box.area >= least and (d.score >= LIKELY_SCORE or not likely_only)]


def _unknown(detections: Sequence[Detection], found: Sequence[Verified]) -> list[Detection]:
    """Return the detections that are not on faces found before."""
    return [d for d in detections if all(d.box.iou(face.detection.box) <= SAME_FACE for face in found)]


def _goes_on(found: Sequence[Verified], step: SearchStep, most: int | None) -> bool:
    """Return whether a search has to go on after a step."""
    if most is None or len(found) < most:
        # Where there is a face that is nearly too small, there may be smaller ones.
        smallest = min((_side(face) for face in found), default=0.0)
        return step.is_preview or smallest < step.smallest
    # Whether there are larger faces than these, a preview tells only of sizes that it shows reliably.
    return step.is_preview and not all(
        _side(face) >= (1 if is_clear(face.detection) else _UNCLEAR) * step.smallest
        for face in sorted(found, key=_side)[-most:]
    )


def _areas(found: Sequence[Verified]) -> list[float]:
    """Return the areas of the faces' boxes, the largest first."""
    return sorted((face.detection.box.area for face in found), reverse=True)


def _side(face: Verified) -> float:
    """Return the mean side of a face's box, px."""
    return (face.detection.box.width + face.detection.box.height) / 2
