"""Select the faint detections that are worth verifying beside known faces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tddfa.dataclass import dataclass
from tddfa.types import BoundingBox, Detection

LIKELY_SCORE = 0.5
"""Score from which a detection is likely: nine in ten are faces. Of the others one in twenty is."""

CLEAR_SCORE = 0.8
"""Score from which a detection is so clear that verification confirms it nearly always."""

# A candidate that shares this part of the smaller box with a face is hardly ever another face: of 218 on
# 453 images three were accepted, of which one was hair.
_PART_OF_A_FACE = 0.3

# Minimum score beside a clear face, of detectors that tell no support. Two real faces of about 50 px, in a
# crowd and behind another one, have 0.20 and 0.21.
_SCORE_BESIDE_CLEAR = 0.19

# Minimum of score × support beside a clear face. Of 1,387 real faces among faint detections in training
# mosaics, 96.0 % reach it, and 54 % of the false ones; a score of 0.19 is reached by 95.7 % and 69 %. It is
# the largest that loses no face of a set of photos, degraded and turned ones among them, so that set cannot
# judge it; 655 detections are verified there instead of 880.
_SUPPORTED_SCORE_BESIDE_CLEAR = 0.1217

# On the head of a clear face, something much smaller is an ear, a curl, an earring or a hand: of 125 such
# candidates four were accepted, none of them a face. Faces of that size beside a head were likely ones.
_MUCH_SMALLER = 0.45  # side, in sides of the face
_HEAD = 1.8  # side of the box around a head with its hair and neck, in sides of the face's box

# On the chest of a clear face, something tiny is a button or a print, of which networks are as sure as of a
# face: of 200 portraits six showed one, of 0.05 to 0.09 sides of the face; with scores up to 0.62.
_TINY = 0.12  # side, in sides of the face
_CHEST_FROM, _CHEST_TO = 0.7, 4.0  # distance below the middle of the face, in its sides
_CHEST_WIDTH = 1.0  # largest distance to the left and right


@dataclass(frozen=True, slots=True)
class FaintDetection(Detection):
    """A detection that is not likely, and how much of the detector agrees with it.

    Attributes:
        support: sum of the scores of all cells whose boxes overlap this one, before they are suppressed.
    """

    support: float = 0.0


def is_clear(face: Detection) -> bool:
    """Return whether a detection is so clear that verification confirms it nearly always."""
    return face.score >= CLEAR_SCORE


def worth_verifying(
    candidates: Sequence[Detection], found: Sequence[BoundingBox], clear: Iterable[BoundingBox]
) -> list[Detection]:
    """Return the candidates that may be faces beside those that were found, in their order.

    Args:
        candidates: detections that are not of known faces.
        found: boxes of the known faces.
        clear: boxes of the clear detections among them.
    """
    clear = list(clear)
    return [
        d
        for d in without_buttons(candidates, clear)
        if all(_shared_part(d.box, box) <= _PART_OF_A_FACE for box in found)
        and (not clear or d.score >= LIKELY_SCORE or _stands_out(d, clear))
    ]


def without_buttons(candidates: Iterable[Detection], clear: Sequence[BoundingBox]) -> list[Detection]:
    """Return the candidates that are no tiny things on the chest of a clear face, in their order."""
    return [d for d in candidates if is_clear(d) or not any(_is_on_chest(d.box, face) for face in clear)]


def _stands_out(candidate: Detection, clear: Sequence[BoundingBox]) -> bool:
    """Return whether a faint candidate beside clear faces is strong enough, and no part of their heads."""
    if isinstance(candidate, FaintDetection):
        is_strong = candidate.score * candidate.support >= _SUPPORTED_SCORE_BESIDE_CLEAR
    else:
        is_strong = candidate.score >= _SCORE_BESIDE_CLEAR
    return is_strong and not any(_is_on(candidate.box, face) for face in clear)


def _is_on(box: BoundingBox, face: BoundingBox) -> bool:
    """Return whether a much smaller box lies on the head of a face."""
    (x, y), head = box.center, face.scaled(_HEAD)
    small = box.area < _MUCH_SMALLER**2 * face.area
    return small and head.x0 < x < head.x1 and head.y0 < y < head.y1


def _is_on_chest(box: BoundingBox, face: BoundingBox) -> bool:
    """Return whether a tiny box lies below a face, where buttons are."""
    (x, y), (face_x, face_y) = box.center, face.center
    side = (face.width + face.height) / 2
    tiny = box.area < _TINY**2 * face.area
    return tiny and abs(x - face_x) < _CHEST_WIDTH * side and _CHEST_FROM < (y - face_y) / side < _CHEST_TO


def _shared_part(a: BoundingBox, b: BoundingBox) -> float:
    """Return the area that two boxes share, as a part of the smaller one's."""
    return a.shared_area(b) / min(a.area, b.area)
