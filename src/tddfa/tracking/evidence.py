"""Is there still a face? The checks for networks that do not say so themselves."""

from __future__ import annotations

import numpy as np

from tddfa.detection import Detector
from tddfa.geometry.boxes import intersection_over_union
from tddfa.geometry.camera import camera_rotation
from tddfa.geometry.rotation import geodesic_deg
from tddfa.imaging.warp import cut, resize
from tddfa.shapes import Float64
from tddfa.types import BoundingBox, Detection, Face, Image

# A network that sees no face still draws one, but not where the crop says it should be, and with a camera
# that no camera is. (0, 1): where belief ends and where it is full. Measured on five clips (1215 frames, yaw
# to ±89°) and 300 pictures without a face: followed faces stay above 0.85 / below 1.16 / below 0.18, and the
# median without a face is 0.43 / 1.85 / 0.49.
_OVERLAP = (0.60, 0.90)  # of the box that was looked into with the one that was found
_STRETCH = (1.50, 1.10)  # longer over shorter of the camera's x and y rows
_SKEW = (0.50, 0.10)  # cosine between them

# The detector sees nearly every face that looks this way; of a profile its silence says little.
_KNOWN_DEG = 40.0
_AHEAD = np.diag([1.0, -1.0, -1.0])

_WINDOW = 2.2  # sides of the face around its middle that are searched
_WINDOW_PX = 160  # shrunk to this: the face is then 70 px, which detectors know well
_SAME_FACE = 0.25


def consistency(expected: BoundingBox, face: Face) -> float:
    """How well what a network found agrees with where it was told to look, and with a camera; in [0, 1]."""
    found = BoundingBox.around(face.landmarks)
    R: Float64[np.ndarray, "3 3"] = face.params.camera[:, :3]
    x, y = float(np.linalg.norm(R[0])), float(np.linalg.norm(R[1]))
    if min(x, y) <= 0:
        return 0.0
    return min(
        _ramp(overlap(_squared(expected), _squared(found)), *_OVERLAP),
        _ramp(max(x, y) / min(x, y), *_STRETCH),
        _ramp(abs(float(R[0] @ R[1])) / (x * y), *_SKEW),
    )


def detector_knows(face: Face) -> bool:
    """Whether the face looks so nearly ahead that a detector would see it."""
    return geodesic_deg(camera_rotation(face.params.camera), _AHEAD) < _KNOWN_DEG


def seen_by(detector: Detector, image: Image, box: BoundingBox) -> Detection | None:
    """What a detector finds near `box`, searching only there: a hundredth of the work for a whole picture.

    Returns:
        The best detection in the image frame, wherever it is in the window; None when there is no face.
    """
    (x, y), half = box.center, _WINDOW * max(box.width, box.height) / 2
    x0, y0, x1, y1 = (round(v) for v in (x - half, y - half, x + half, y + half))
    if min(x1 - x0, y1 - y0) < 2:
        return None
    found = detector.detect(resize(cut(image, x0, y0, x1, y1), _WINDOW_PX, _WINDOW_PX))
    scale = (x1 - x0) / _WINDOW_PX
    shifted = [
        Detection(
            BoundingBox(
                x0 + d.box.x0 * scale, y0 + d.box.y0 * scale, x0 + d.box.x1 * scale, y0 + d.box.y1 * scale
            ),
            d.score,
        )
        for d in found
    ]
    return max(shifted, key=lambda d: (overlap(d.box, box), d.score), default=None)


def same_place(a: BoundingBox, b: BoundingBox) -> bool:
    """Whether two boxes, of a detector or around landmarks, hold the same face."""
    return overlap(a, b) > _SAME_FACE


def overlap(a: BoundingBox, b: BoundingBox) -> float:
    """Shared area as a part of the area that both cover."""
    return float(intersection_over_union(np.array([tuple(a)]), np.array([tuple(b)]))[0, 0])


def inside(box: BoundingBox, height: int, width: int) -> float:
    """Which part of a box lies in a picture of that size."""
    x = min(box.x1, width) - max(box.x0, 0)
    y = min(box.y1, height) - max(box.y0, 0)
    return max(x, 0) * max(y, 0) / (box.width * box.height)


def _squared(box: BoundingBox) -> BoundingBox:
    (x, y), half = box.center, max(box.width, box.height) / 2
    return BoundingBox(x - half, y - half, x + half, y + half)


def _ramp(value: float, nothing: float, everything: float) -> float:
    return min(max((value - nothing) / (everything - nothing), 0.0), 1.0)
