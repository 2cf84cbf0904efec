"""Faint detections that were no face a moment ago."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tddfa.types import BoundingBox, Detection

_FRAMES = 12  # for which a rejection holds: who comes back where it lies is found that much later at most
_SAME_PLACE = 0.5  # intersection over union of two boxes on one thing
_BRIGHTER = 0.1  # rise of the score after which it may be something else
_SAME_FACE = 0.3  # intersection over union of a detection and the face that was seen in it


@dataclass(frozen=True, slots=True)
class _Rejected:
    """A detection in which the network saw no face.

    Attributes:
        detection: what was looked at.
        frame: when.
    """

    detection: Detection
    frame: int

    def covers(self, other: Detection, frame: int) -> bool:
        """Return whether a detection of another frame is the same thing, seen not much better."""
        return (
            frame - self.frame < _FRAMES
            and other.score < self.detection.score + _BRIGHTER
            and other.box.iou(self.detection.box) >= _SAME_PLACE
        )


class Rejections:
    """What need not be looked at again: a pattern on a wall is detected in every search."""

    def __init__(self) -> None:
        self._known: list[_Rejected] = []

    def fresh(self, detections: Iterable[Detection], frame: int) -> list[Detection]:
        """Return the detections that were not rejected a moment before `frame`."""
        return [d for d in detections if not any(r.covers(d, frame) for r in self._known)]

    def update(self, looked_at: Iterable[Detection], found: Sequence[BoundingBox], frame: int) -> None:
        """Remember what was looked at in a frame and is no face, and forget what is long ago.

        Args:
            looked_at: detections in which the network looked for a face.
            found: boxes of the faces that it saw.
            frame: number of the frame.
        """
        self._known = [r for r in self._known if frame - r.frame < _FRAMES]
        self._known += [
            _Rejected(d, frame) for d in looked_at if all(d.box.iou(box) < _SAME_FACE for box in found)
        ]

    def clear(self) -> None:
        """Forget everything, as at a cut."""
        self._known.clear()
