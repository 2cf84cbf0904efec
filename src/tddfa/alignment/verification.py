"""Verify detector candidates with the alignment network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tddfa.alignment.prediction import LandmarkModel, Prediction, Source, predict_again, predict_boxes
from tddfa.dataclass import dataclass
from tddfa.detection import Detector
from tddfa.detection.faint import LIKELY_SCORE, is_clear, without_buttons, worth_verifying
from tddfa.geometry.boxes import non_maximum_suppression
from tddfa.regression import Regressor
from tddfa.types import BoundingBox, Detection, FaceParams, Image

# Confidence from which a lying or upside-down face is cropped once more, upright: nine in ten of such faces
# reach it, and one in ten of the false candidates that look so.
_MIN_UPRIGHT_CONFIDENCE = 0.93

# Area, in parts of another one's, from which a box may be that of a larger face: a detector's boxes of two
# faces of one size differ by so much.
_AS_LARGE = 0.6
_MOST_AS_LARGE = 3  # of them that are verified beside as many as are wanted

SAME_FACE = 0.4
"""Intersection over union of two boxes from which they are on one face."""


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

    @property
    def scores_are_known(self) -> bool:
        """Whether the pack knows what a score of the detector means."""
        return math.isfinite(self.sure_score)

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
        reader: a more exact network, which reads clear candidates first.
    """

    def __init__(
        self,
        regressor: Regressor,
        landmarks: LandmarkModel,
        thresholds: AcceptanceThresholds,
        reader: Regressor | None = None,
    ) -> None:
        self._regressor, self._reader = regressor, reader
        self._landmarks = landmarks
        self._thresholds = thresholds

    def detections(self, image: Image, candidates: Sequence[Detection]) -> list[Detection]:
        """Return the candidates that are faces, best first; only uncertain ones are cropped."""
        if not self._thresholds.enabled:
            return list(candidates)
        candidates = without_buttons(candidates, self._clear(candidates))
        found = [d for d in candidates if self._thresholds.trusts(d)]
        unsure = [d for d in candidates if not self._thresholds.trusts(d)]
        for group in _groups(unsure):
            (verified,) = self._verify([image], [self._possible(group, found)])
            found += [face.detection for face in verified]
        return [found[k] for k in _distinct(found)]

    def faces(
        self,
        images: Sequence[Source],
        candidates: Sequence[Sequence[Detection]],
        *,
        known: Sequence[Sequence[Detection]] | None = None,
        most: int | None = None,
    ) -> list[list[Verified]]:
        """Return the faces among the candidates of each image, best first, with their predictions.

        Args:
            images: the images.
            candidates: of each image, best first.
            known: other faces of each image, beside which doubtful candidates are judged.
            most: number of faces that are wanted of an image. As soon as so many likely candidates are
                faces, from the largest on, no other one is verified.
        """
        if not self._thresholds.enabled:
            pairs = [(image, d) for image, each in zip(images, candidates, strict=True) for d in each]
            predicted = iter(self._predict(pairs))
            every = [[(d, next(predicted)) for d in each] for each in candidates]
            return [[Verified(d, p) for d, p in each if p is not None] for each in every]
        known = [[] for _ in images] if known is None else known
        groups = [_groups(each) for each in candidates]
        likely = [
            without_buttons(some, self._clear([*some, *others]))
            for (some, _), others in zip(groups, known, strict=True)
        ]
        found = self._likely(images, likely, most)
        beside = [
            [*others, *(f.detection for f in faces)] for others, faces in zip(known, found, strict=True)
        ]
        doubtful = [
            self._possible(faint, faces) if most is None or len(faces) < most else []
            for (_, faint), faces in zip(groups, beside, strict=True)
        ]
        more = self._verify(images, doubtful)
        return [self.distinct([*a, *b]) for a, b in zip(found, more, strict=True)]

    def _likely(
        self, images: Sequence[Source], candidates: Sequence[Sequence[Detection]], most: int | None
    ) -> list[list[Verified]]:
        """Return the faces among likely candidates; where so many are wanted, of no more than it takes."""
        if most is None:
            return self._verify(images, candidates)
        found: list[list[Verified]] = [[] for _ in images]
        waiting = [sorted(each, key=lambda d: -d.box.area) for each in candidates]
        while True:
            counts = [_needed(len(faces), more, most) for faces, more in zip(found, waiting, strict=True)]
            if not any(counts):
                return found
            fresh = self._verify(images, [more[:n] for n, more in zip(counts, waiting, strict=True)])
            waiting = [more[n:] for n, more in zip(counts, waiting, strict=True)]
            found = [self.distinct([*a, *b]) for a, b in zip(found, fresh, strict=True)]

    def distinct(self, found: Sequence[Verified]) -> list[Verified]:
        """Return one of the faces for each person, best first; all of them where nothing is verified."""
        if not self._thresholds.enabled:
            return list(found)
        return [found[k] for k in _distinct([face.detection for face in found])]

    def _possible(self, candidates: Sequence[Detection], found: Sequence[Detection]) -> list[Detection]:
        """Return the candidates that may be faces beside those that were found."""
        if not found:
            return list(candidates)
        return worth_verifying(candidates, [face.box for face in found], self._clear(found))

    def _clear(self, faces: Sequence[Detection]) -> list[BoundingBox]:
        """Return the boxes of the clear faces; none where the pack does not know what a score means."""
        return [face.box for face in faces if self._thresholds.scores_are_known and is_clear(face)]

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
        known = self._read(candidates)
        unknown = [candidate for k, candidate in enumerate(candidates) if k not in known]
        images = [image for image, _ in unknown]
        boxes = [d.box for _, d in unknown]
        predicted = iter(
            self._upright(images, predict_boxes(self._regressor, self._landmarks, images, boxes))
        )
        return [known[k] if k in known else next(predicted) for k in range(len(candidates))]

    def _read(self, candidates: Sequence[tuple[Source, Detection]]) -> dict[int, Prediction]:
        """Return what the exact network is sure of, of clear candidates that are upright faces.

        It verifies them as well: of 2,800 views of images without a face, none has a clear candidate, and of
        21 likely ones the network is sure of none.
        """
        clear = [
            k for k, (_, d) in enumerate(candidates) if self._thresholds.scores_are_known and is_clear(d)
        ]
        if self._reader is None or not clear:
            return {}
        images, boxes = [candidates[k][0] for k in clear], [candidates[k][1].box for k in clear]
        predicted = predict_boxes(self._reader, self._landmarks, images, boxes)
        return {
            k: replace(face, is_exact=True)
            for k, face in zip(clear, predicted, strict=True)
            if face is not None and face.is_sure and face.turns == 0
        }

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


def _needed(n_found: int, waiting: Sequence[Detection], most: int) -> int:
    """Return how many more candidates to verify for so many of the largest faces.

    Args:
        n_found: number of faces of the image that are known.
        waiting: its other candidates, the largest first.
        most: number of faces that are wanted.
    """
    needed = min(most - n_found, len(waiting))
    if needed <= 0:
        return 0
    least = _AS_LARGE * waiting[needed - 1].box.area
    return needed + sum(d.box.area >= least for d in waiting[needed : needed + _MOST_AS_LARGE])


def _distinct(detections: Sequence[Detection]) -> list[int]:
    """Return the indices of one detection for each face, best first."""
    if not detections:
        return []
    boxes = np.array([tuple(d.box) for d in detections], float)
    return non_maximum_suppression(boxes, np.array([d.score for d in detections]), SAME_FACE).tolist()
