"""Remember faint detections that verification has rejected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tddfa.dataclass import dataclass
from tddfa.types import BoundingBox, Detection

_FRAMES = 12  # for which a rejection holds; a face that returns to such a place is found that much later
_SAME_PLACE = 0.5  # intersection over union of two detections of one object
_SCORE_RISE = 0.1  # rise of the score after which a detection is verified again
_SAME_FACE = 0.3  # intersection over union of a detection and the face that verification found in it


@dataclass(frozen=True, slots=True)
class _Rejected:
    """A rejected detection.

    Attributes:
        detection: the detection.
        frame: number of the frame in which it was verified.
    """

    detection: Detection
    frame: int

    def covers(self, other: Detection, frame: int) -> bool:
        """Return whether a detection of another frame is the same object with about the same score."""
        return (
            frame - self.frame < _FRAMES
            and other.score < self.detection.score + _SCORE_RISE
            and other.box.iou(self.detection.box) >= _SAME_PLACE
        )


class Rejections:
    """Detections that need no verification for a while: a pattern on a wall is detected in every search."""

    def __init__(self) -> None:
        self._known: list[_Rejected] = []

    def without_rejected(self, detections: Iterable[Detection], frame: int) -> list[Detection]:
        """Return the detections that were not rejected shortly before `frame`."""
        return [d for d in detections if not any(r.covers(d, frame) for r in self._known)]

    def update(self, verified: Iterable[Detection], found: Sequence[BoundingBox], frame: int) -> None:
        """Add the detections of a frame that turned out to be no faces, and drop old ones.

        Args:
            verified: detections that were verified.
            found: boxes of the faces among them.
            frame: number of the frame.
        """
        self._known = [r for r in self._known if frame - r.frame < _FRAMES]
        self._known += [
            _Rejected(d, frame) for d in verified if all(d.box.iou(box) < _SAME_FACE for box in found)
        ]

    def clear(self) -> None:
        """Drop all rejections, as at a cut."""
        self._known.clear()
