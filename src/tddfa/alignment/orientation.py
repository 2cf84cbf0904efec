"""Images that were taken, or scanned, on their side or upside down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from tddfa.alignment.verification import Verified
from tddfa.geometry.quarter_turns import box_turned_back, turned_back
from tddfa.types import BoundingBox, Face


def turns_to_upright(faces: Sequence[Verified]) -> int:
    """Return how often `np.rot90` turns an image until most of its faces are upright; twice without faces."""
    if not faces:
        return 2
    turns, count = Counter(face.prediction.turns for face in faces).most_common(1)[0]
    return turns if count > len(faces) / 2 else 0


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
