"""Is the face still there? Checks for networks that predict no confidence."""

from __future__ import annotations

import numpy as np

from tddfa.detection import Detector
from tddfa.geometry.camera import camera_rotation
from tddfa.geometry.rotation import geodesic_deg
from tddfa.imaging.warp import cut, resize
from tddfa.shapes import Float64
from tddfa.types import BoundingBox, Detection, Face, Image

# A network that sees no face still predicts one, but not where the crop says that it should be, and with a
# camera that no camera is. Each pair: where the consistency is 0 and where it is 1. Measured on five clips
# (1215 frames, yaw to ±89°) and 300 images without a face: tracked faces stay above 0.85 / below 1.16 / below
# 0.18, and the median without a face is 0.43 / 1.85 / 0.49.
_CROP_IOU = (0.60, 0.90)  # intersection over union of the crop's box and the predicted one
_STRETCH = (1.50, 1.10)  # longer over shorter of the camera's x and y rows
_SKEW = (0.50, 0.10)  # cosine between them

# Angle to the viewing direction, degrees, up to which the detector finds nearly every face. It misses many
# profiles, so a missing detection says little about them.
_NEAR_FRONTAL_DEG = 40.0
_FRONTAL = np.diag([1.0, -1.0, -1.0])

_SEARCH_SIDE = 2.2  # side of the searched square around a face, in sides of the face
_SEARCH_PX = 160  # the square is shrunk to this: the face is then 70 px, a size that detectors find best
_SAME_FACE_IOU = 0.25


def crop_consistency(expected: BoundingBox, face: Face) -> float:
    """Return how well a predicted face agrees with its crop and with a camera, in [0, 1].

    Args:
        expected: box around the landmarks that the crop was cut from, px.
        face: what the network predicted from that crop.
    """
    found = BoundingBox.around(face.landmarks)
    R: Float64[np.ndarray, "3 3"] = face.params.camera[:, :3]
    x, y = float(np.linalg.norm(R[0])), float(np.linalg.norm(R[1]))
    if min(x, y) <= 0:
        return 0.0
    return min(
        _ramp(_square(expected).iou(_square(found)), *_CROP_IOU),
        _ramp(max(x, y) / min(x, y), *_STRETCH),
        _ramp(abs(float(R[0] @ R[1])) / (x * y), *_SKEW),
    )


def is_near_frontal(face: Face) -> bool:
    """Return whether the face looks so nearly at the camera that a detector would find it."""
    return geodesic_deg(camera_rotation(face.params.camera), _FRONTAL) < _NEAR_FRONTAL_DEG


def detect_near(detector: Detector, image: Image, box: BoundingBox) -> Detection | None:
    """Search for a face near `box` only: a hundredth of the work for a whole image.

    Returns:
        The best detection in the image frame, wherever it is in the searched square; None without a face.
    """
    (x, y), half = box.center, _SEARCH_SIDE * max(box.width, box.height) / 2
    x0, y0, x1, y1 = (round(v) for v in (x - half, y - half, x + half, y + half))
    if min(x1 - x0, y1 - y0) < 2:
        return None
    found = detector.detect(resize(cut(image, x0, y0, x1, y1), _SEARCH_PX, _SEARCH_PX))
    scale = (x1 - x0) / _SEARCH_PX
    in_image = [
        Detection(
            BoundingBox(
                x0 + d.box.x0 * scale, y0 + d.box.y0 * scale, x0 + d.box.x1 * scale, y0 + d.box.y1 * scale
            ),
            d.score,
        )
        for d in found
    ]
    return max(in_image, key=lambda d: (d.box.iou(box), d.score), default=None)


def is_same_face(a: BoundingBox, b: BoundingBox) -> bool:
    """Return whether two boxes, of a detector or around landmarks, hold the same face."""
    return a.iou(b) > _SAME_FACE_IOU


def part_inside(box: BoundingBox, height: int, width: int) -> float:
    """Return which part of a box lies in an image of that size, in [0, 1]."""
    x = min(box.x1, width) - max(box.x0, 0)
    y = min(box.y1, height) - max(box.y0, 0)
    return max(x, 0) * max(y, 0) / box.area


def _square(box: BoundingBox) -> BoundingBox:
    (x, y), half = box.center, max(box.width, box.height) / 2
    return BoundingBox(x - half, y - half, x + half, y + half)


def _ramp(value: float, zero: float, one: float) -> float:
    return min(max((value - zero) / (one - zero), 0.0), 1.0)
