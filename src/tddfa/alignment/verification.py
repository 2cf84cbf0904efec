"""Verify detector candidates with the alignment network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from tddfa.alignment.prediction import LandmarkModel, Prediction, Source, predict_again, predict_boxes
from tddfa.detection import Detector
from tddfa.detection.faint import LIKELY_SCORE, is_clear, worth_verifying
from tddfa.geometry.boxes import non_maximum_suppression
from tddfa.regression import Regressor
from tddfa.types import Detection, FaceParams, Image

# Confidence from which a lying or upside-down face is cropped once more, upright: nine in ten of such faces
# reach it, and one in ten of the false candidates that look so.
_MIN_UPRIGHT_CONFIDENCE = 0.93

_SAME_FACE = 0.4  # intersection over union of two boxes on one face


@dataclass(frozen=True, slots=True)
class AcceptanceThresholds:
    """When a candidate is a face.

    Attributes:
        min_confidence: minimum confidence of the network; 0 accepts every candidate.
        sure_score: detector score from which a candidate is a face without verification.
    """

    min_confidence: float = 0.0
    sure_score: float = math.inf

    @property
    def enabled(self) -> bool:
        """Whether candidates are verified at all."""
        return self.min_confidence > 0

    def trusts(self, detection: Detection) -> bool:
        """Return whether the detector's score suffices."""
        return detection.score >= self.sure_score

    def accepts(self, params: FaceParams) -> bool:
        """Return whether the network saw a face; networks without a confidence accept every candidate."""
        return params.confidence is None or params.confidence >= self.min_confidence


class Verified(NamedTuple):
    """A candidate that is a face, and what the network predicted for it."""

    detection: Detection
    prediction: Prediction


class FaceVerifier:
    """Decides which candidates of a sensitive detector are faces: it finds more, and errs less.

    Args:
        regressor: predicts the parameters and confidence of each candidate.
        landmarks: parameters → landmarks, px.
        thresholds: when a candidate is a face.
    """

    def __init__(
        self, regressor: Regressor, landmarks: LandmarkModel, thresholds: AcceptanceThresholds
    ) -> None:
        self._regressor = regressor
        self._landmarks = landmarks
        self._thresholds = thresholds

    def detections(self, image: Image, candidates: Sequence[Detection]) -> list[Detection]:
        """Return the candidates that are faces, best first; only uncertain ones are cropped."""
        if not self._thresholds.enabled:
            return list(candidates)
        found = [d for d in candidates if self._thresholds.trusts(d)]
        unsure = [d for d in candidates if not self._thresholds.trusts(d)]
        for group in _groups(unsure):
            (verified,) = self._verify([image], [self._possible(group, found)])
            found += [face.detection for face in verified]
        return [found[k] for k in _distinct(found)]

    def faces(
        self, images: Sequence[Source], candidates: Sequence[Sequence[Detection]]
    ) -> list[list[Verified]]:
        """Return the faces among the candidates of each image, best first, with their predictions."""
        if not self._thresholds.enabled:
            pairs = [(image, d) for image, each in zip(images, candidates, strict=True) for d in each]
            predicted = iter(self._predict(pairs))
            every = [[(d, next(predicted)) for d in each] for each in candidates]
            return [[Verified(d, p) for d, p in each if p is not None] for each in every]
        found: list[list[Verified]] = [[] for _ in images]
        for groups in zip(*(_groups(each) for each in candidates), strict=True):
            possible = [
                self._possible(group, [face.detection for face in faces])
                for group, faces in zip(groups, found, strict=True)
            ]
            for faces, more in zip(found, self._verify(images, possible), strict=True):
                faces += more
        return [self.distinct(each) for each in found]

    def distinct(self, found: Sequence[Verified]) -> list[Verified]:
        """Return one of the faces for each person, best first; all of them where nothing is verified."""
        if not self._thresholds.enabled:
            return list(found)
        return [found[k] for k in _distinct([face.detection for face in found])]

    def _possible(self, candidates: Sequence[Detection], found: Sequence[Detection]) -> list[Detection]:
        """Return the candidates that may be faces beside those that were found."""
        if not found:
            return list(candidates)
        # The score means so much only where the pack knows its detector.
        known = math.isfinite(self._thresholds.sure_score)
        clear = [face.box for face in found if known and is_clear(face)]
        return worth_verifying(candidates, [face.box for face in found], clear)

    def _verify(
        self, images: Sequence[Source], candidates: Sequence[Sequence[Detection]]
    ) -> list[list[Verified]]:
        """Return the candidates of each image that are faces, best first.

        None is given up early: in crowds, clear faces come after long rows of false candidates.
        """
        pairs = [(image, d) for image, each in zip(images, candidates, strict=True) for d in each]
        predicted = iter(self._predict(pairs))
        found: list[list[Verified]] = []
        for each in candidates:
            verified: list[Verified] = []
            for detection in each:
                face = next(predicted)
                if face is None:  # no crop can be cut
                    continue
                if self._thresholds.trusts(detection):
                    verified.append(Verified(detection, face))
                elif self._thresholds.accepts(face.params):
                    verified.append(Verified(self._moved(detection, face), face))
            found.append(verified)
        return found

    def _predict(self, candidates: Sequence[tuple[Source, Detection]]) -> list[Prediction | None]:
        """Return the prediction for each candidate; None where no crop can be cut."""
        images = [image for image, _ in candidates]
        boxes = [d.box for _, d in candidates]
        return self._upright(images, predict_boxes(self._regressor, self._landmarks, images, boxes))

    def _upright(
        self, images: Sequence[Source], predicted: list[Prediction | None]
    ) -> list[Prediction | None]:
        """Crop the faces that lie or are upside down once more, upright.

        Only both crops together tell whether it is a face: turned far enough, some foreheads look like chins.
        """
        lying = [(k, face) for k, face in enumerate(predicted) if face is not None and _lies(face)]
        if not lying:
            return predicted
        again = predict_again(self._regressor, [images[k] for k, _ in lying], [face for _, face in lying])
        out = list(predicted)
        for (k, first), second in zip(lying, again, strict=True):
            if second is not None:
                confidence = _combined(first.params, second.params)
                out[k] = replace(second, params=replace(second.params, confidence=confidence))
        return out

    def _moved(self, detection: Detection, face: Prediction) -> Detection:
        """Move an uncertain detection onto the landmarks that verified it."""
        box = self._regressor.box_around(face.landmarks, detection.box)
        return detection if box is None else Detection(box, detection.score)


class VerifiedDetector:
    """A detector whose uncertain detections a network verifies.

    Args:
        detector: finds candidates.
        verifier: decides which of them are faces.
    """

    def __init__(self, detector: Detector, verifier: FaceVerifier) -> None:
        self._detector, self._verifier = detector, verifier

    def detect(self, image: Image) -> list[Detection]:
        """Return the faces of `image`, best first; boxes may reach outside the image."""
        return self._verifier.detections(image, self._detector.detect(image))


def _lies(face: Prediction) -> bool:
    """Return whether the network saw a face that lies or is upside down."""
    confidence = face.params.confidence
    return confidence is not None and confidence >= _MIN_UPRIGHT_CONFIDENCE and face.turns != 0


def _combined(first: FaceParams, second: FaceParams) -> float:
    """Return the confidence of two crops: the mean of their log-odds, as a probability."""
    return 1 / (1 + math.exp(-(_log_odds(first.confidence) + _log_odds(second.confidence)) / 2))


def _log_odds(confidence: float | None) -> float:
    p = min(max(confidence or 0.0, 1e-6), 1 - 1e-6)
    return math.log(p / (1 - p))


def _groups(candidates: Sequence[Detection]) -> tuple[list[Detection], list[Detection]]:
    """Return the likely candidates and the others: the first tell which of the others to verify."""
    likely = [d for d in candidates if d.score >= LIKELY_SCORE]
    return likely, [d for d in candidates if d.score < LIKELY_SCORE]


def _distinct(detections: Sequence[Detection]) -> list[int]:
    """Return the indices of one detection for each face, best first."""
    if not detections:
        return []
    boxes = np.array([tuple(d.box) for d in detections])
    return non_maximum_suppression(boxes, np.array([d.score for d in detections]), _SAME_FACE).tolist()
