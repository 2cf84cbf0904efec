"""How much of a face an image shows, and what that looks like."""

from __future__ import annotations

import math
from collections.abc import Iterable

from tddfa.tracking.appearance import RELIABLE_PX, Appearance
from tddfa.tracking.presence import part_inside
from tddfa.types import BoundingBox, Face, Image

_MIN_INSIDE = 0.3  # part of a face that has to be in the image
_MIN_SIDE_PX, _MAX_SIDE = 8.0, 4.0  # sides of a face; the largest in sides of the image

# A face is seen as a whole away from the image border and behind no other face. For that the box around the
# landmarks is scaled, as the networks squeeze half a face into its visible half.
_WHOLE = 1.2
_MIN_WHOLE = 0.93  # part of that box that has to be in the image
_MAX_COVERED = 0.05  # part of that box that the box of another face may share

_HEAD = 1.8  # side of the box around a head and its neck, in sides of the box around the landmarks
_MAX_PART = 0.3  # area of an ear or a neck that the detector takes for a face, in areas of the face


def can_be_face(box: BoundingBox, image: Image) -> bool:
    """Return whether a face in this box could be seen: large enough, and enough of it in the image."""
    height, width = image.shape[:2]
    side = max(box.width, box.height)
    large_enough = _MIN_SIDE_PX <= side <= _MAX_SIDE * max(height, width)
    return large_enough and part_inside(box, height, width) >= _MIN_INSIDE


def is_inside(box: BoundingBox, image: Image) -> bool:
    """Return whether all of a face lies in the image."""
    return part_inside(box.scaled(_WHOLE), *image.shape[:2]) >= _MIN_WHOLE


def is_part(box: BoundingBox, face: BoundingBox) -> bool:
    """Return whether a small box lies on the head of a face, as those around ears and necks do."""
    x, y = box.center
    head = face.scaled(_HEAD)
    return box.area < _MAX_PART * face.area and head.x0 < x < head.x1 and head.y0 < y < head.y1


def appearance_of(
    image: Image, face: Face, box: BoundingBox, others: Iterable[BoundingBox]
) -> Appearance | None:
    """Return what a face looks like, and whether all of it was seen; None for small faces.

    Args:
        image: the frame.
        face: the face.
        box: around its landmarks, px.
        others: boxes of other faces, which may cover it.
    """
    if math.sqrt(box.area) < RELIABLE_PX:
        return None
    around = box.scaled(_WHOLE)
    whole = is_inside(box, image) and not any(
        (shared := around.intersection(other.scaled(_WHOLE))) and shared.area > _MAX_COVERED * around.area
        for other in others
    )
    return Appearance.of(image, face, whole=whole)


def yaw_deg(face: Face) -> float:
    """Return how far a face is turned to the side, degrees: enough to compare, and cheaper than its pose."""
    forward = face.params.camera[:, 2]
    return math.degrees(math.asin(min(max(forward[0] / max(math.hypot(*forward), 1e-9), -1.0), 1.0)))
