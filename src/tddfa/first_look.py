"""Which of a detector's candidates are faces: a network that looks closer says."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32

from tddfa.detection import Detector
from tddfa.errors import InputError
from tddfa.geometry.boxes import non_maximum_suppression
from tddfa.regression import Regressor
from tddfa.regression.upright import quarter_turns
from tddfa.types import Detection, FaceParams, Image

# Candidates come best first. After so many that are no face in a row, the less likely ones are none either:
# on 40 photos every face comes earlier, and an eighth of the looks is saved.
_REFUSALS = 6
_AT_A_TIME = 4  # a batch: as fast for each as larger ones

# Confidence of a first look at a face on its side or its head that is worth a second one: nine in ten have
# it, and one in ten of the things that look so and are none.
_WORTH_A_LOOK = 0.93

_ONE_FACE = 0.4  # overlap of two boxes that are on one face


@dataclass(frozen=True, slots=True)
class Belief:
    """When a candidate is a face.

    Attributes:
        min_confidence: of a look at a face; 0 believes every candidate.
        sure_score: of candidates that need no look.
    """

    min_confidence: float = 0.0
    sure_score: float = math.inf

    @property
    def blind(self) -> bool:
        """Whether every candidate is a face."""
        return self.min_confidence <= 0

    def sure(self, detection: Detection) -> bool:
        """Whether the detector's word is enough."""
        return detection.score >= self.sure_score

    def holds(self, params: FaceParams) -> bool:
        """Whether a look has seen a face; networks without a confidence believe what they are given."""
        return params.confidence is None or params.confidence >= self.min_confidence


class FirstLook:
    """A sensitive detector, checked by a network that looks closer, finds more and errs less.

    Args:
        regressor: takes the looks.
        landmarks: of a face: its parameters → points, px.
        belief: when a candidate is a face.
    """

    def __init__(
        self,
        regressor: Regressor,
        landmarks: Callable[[FaceParams], Float32[np.ndarray, "68 3"]],
        belief: Belief,
    ) -> None:
        self._regressor = regressor
        self._landmarks = landmarks
        self._belief = belief

    def detections(self, image: Image, candidates: Sequence[Detection]) -> list[Detection]:
        """The candidates that are faces, best first; only the doubtful ones are looked at."""
        if self._belief.blind:
            return list(candidates)
        sure = [d for d in candidates if self._belief.sure(d)]
        doubtful = [d for d in candidates if not self._belief.sure(d)]
        found = sure + [d for d, _ in self._believed(image, doubtful)]
        return [found[k] for k in _distinct(found)]

    def faces(self, image: Image, candidates: Sequence[Detection]) -> list[tuple[Detection, FaceParams]]:
        """The candidates that are faces, best first, and what the look at each has found."""
        if self._belief.blind:
            return self._look(image, candidates)
        found = self._believed(image, candidates)
        return [found[k] for k in _distinct([d for d, _ in found])]

    def _believed(self, image: Image, candidates: Sequence[Detection]) -> list[tuple[Detection, FaceParams]]:
        believed: list[tuple[Detection, FaceParams]] = []
        refused = 0
        for start in range(0, len(candidates), _AT_A_TIME):
            if refused >= _REFUSALS:
                break
            for detection, params in self._look(image, candidates[start : start + _AT_A_TIME]):
                if self._belief.sure(detection):
                    believed.append((detection, params))
                elif self._belief.holds(params):
                    believed.append((self._moved(detection, params), params))
                    refused = 0
                else:
                    refused += 1
        return believed

    def _look(self, image: Image, detections: Sequence[Detection]) -> list[tuple[Detection, FaceParams]]:
        """The detections that a crop can be cut for, and their parameters."""
        try:
            params = self._regressor.from_boxes(image, [d.box for d in detections])
        except InputError:  # at a border of the picture, a crop can lie beyond it
            return [] if len(detections) <= 1 else [p for d in detections for p in self._look(image, [d])]
        return list(zip(detections, self._upright(image, params), strict=True))

    def _upright(self, image: Image, params: list[FaceParams]) -> list[FaceParams]:
        """The looks, with a second one at faces that lie or stand on their head, where they stand upright.

        Only both looks together say whether it is a face: turned far enough, some foreheads look like chins.
        """
        for k, first in enumerate(params):
            if first.confidence is None or first.confidence < _WORTH_A_LOOK:
                continue
            points = self._landmarks(first)
            if quarter_turns(points):
                with contextlib.suppress(InputError):  # landmarks of what is no face can lie anywhere
                    (second,) = self._regressor.from_points(image, [points])
                    params[k] = replace(second, confidence=_together(first, second))
        return params

    def _moved(self, detection: Detection, params: FaceParams) -> Detection:
        """The detection where the face was seen: of a doubtful candidate, the box is doubtful too."""
        try:
            box = self._regressor.box_around(self._landmarks(params), detection.box)
        except InputError:  # points without an extent
            return detection
        return Detection(box, detection.score)


class CheckedDetector:
    """A detector whose doubtful detections a network looks at.

    Args:
        detector: finds candidates.
        first_look: says which of them are faces.
    """

    def __init__(self, detector: Detector, first_look: FirstLook) -> None:
        self._detector, self._first_look = detector, first_look

    def detect(self, image: Image) -> list[Detection]:
        """The faces of `image`, best first; boxes may reach outside the picture."""
        return self._first_look.detections(image, self._detector.detect(image))


def _together(first: FaceParams, second: FaceParams) -> float:
    """The confidence of two looks: the mean of their log-odds, as a probability."""
    odds = [math.log(p / (1 - p)) for p in (_inside(first.confidence), _inside(second.confidence))]
    return 1 / (1 + math.exp(-sum(odds) / 2))


def _inside(confidence: float | None) -> float:
    return min(max(confidence or 0.0, 1e-6), 1 - 1e-6)


def _distinct(detections: Sequence[Detection]) -> list[int]:
    """Indices of one detection for each face, best first."""
    if not detections:
        return []
    boxes = np.array([tuple(d.box) for d in detections])
    return non_maximum_suppression(boxes, np.array([d.score for d in detections]), _ONE_FACE).tolist()
