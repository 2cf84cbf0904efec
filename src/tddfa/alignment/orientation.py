"""Images that were taken, or scanned, on their side or upside down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from tddfa.alignment.verification import Verified
from tddfa.geometry.quarter_turns import box_turned_back, turned_back
from tddfa.types import BoundingBox, Detection, Face

# Of 100 portraits the best detection has a score of 0.86 to 0.98 in the upright image, and of at most 0.80 in
# turned ones; a forehead that looks like a face in an upside-down image seldom has one above 0.82.
_CLEAR = 0.82
_MOST_DOUBTED = 2  # faces of an image that may all be foreheads


def turns_to_upright(faces: Sequence[Verified]) -> int:
    """Return how often `np.rot90` turns an image until most of its faces are upright."""
    turns, count = Counter(face.prediction.turns for face in faces).most_common(1)[0] if faces else (0, 0)
    return turns if count > len(faces) / 2 else 0


def possible_turns(faces: Sequence[Verified]) -> Sequence[int]:
    """Return how often an image may have to be turned, of which its upright faces tell nothing.

    A portrait on its side may show no face, and one that is upside down a false one, on the forehead.
    """
    if not faces:
        return (1, 2, 3)
    doubted = len(faces) <= _MOST_DOUBTED and best_score(face.detection for face in faces) < _CLEAR
    return (2,) if doubted else ()


def clearest_turn(found: Sequence[Verified], scores: Mapping[int, float]) -> int:
    """Return the turn whose best detection is clear and better than the faces of the image; 0 if none is.

    Args:
        found: faces of the image.
        scores: the best score of the detector after each turn.
    """
    least = max(_CLEAR, best_score(face.detection for face in found))
    turns = max(scores, key=lambda n: scores[n], default=0)
    return turns if turns and scores[turns] > least else 0


def best_score(detections: Iterable[Detection]) -> float:
    """Return the best score of detections; 0 without any."""
    return max((detection.score for detection in detections), default=0.0)


def turning_helps(found: Sequence[Verified], turned: Sequence[Verified], turns: int) -> bool:
    """Return whether the faces of the turned image are better than those of the image.

    Upright detections among rotated faces are mostly false positives: the turned image may lose them, but
    none of the rotated faces.
    """
    lost = len(turned) < sum(face.prediction.turns == turns for face in found)
    return bool(turned) and not lost


def face_turned_back(face: Face, turns: int, width: int, height: int) -> Face:
    """Return a face of the turned image in the frame of the image before it was turned.

    Args:
        face: face of the image after `turns` times `np.rot90`.
        turns: number of quarter turns.
        width: width of the turned image, px.
        height: height of the turned image, px.
    """
    x0, y0, x1, y1 = face.box
    box = BoundingBox(*box_turned_back((x0, y0, x1, y1), turns, width, height))
    camera = turned_back(face.params.camera, turns, width, height)
    return replace(
        face, detection=replace(face.detection, box=box), params=replace(face.params, camera=camera)
    )
