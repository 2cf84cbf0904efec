"""Find the faces of upright images: search, verify, and crop again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property

from tddfa.alignment.networks import PackNetworks
from tddfa.alignment.orientation import best_score
from tddfa.alignment.prediction import LandmarkModel
from tddfa.alignment.search import SeparateSearches, find_faces
from tddfa.alignment.verification import FaceVerifier, Verified, VerifiedDetector
from tddfa.detection import (
    AnchorFreeDetector,
    BatchDetector,
    BatchSearch,
    Detector,
    LargestFirstDetector,
    ScalableDetector,
    SearchStep,
)
from tddfa.errors import InputError
from tddfa.imaging.pyramid import Pyramid, images_for
from tddfa.imaging.warp import turned
from tddfa.types import Detection, Image
from tddfa.types.box import largest

Selection = Callable[[list[Detection]], Iterable[Detection]]
"""All candidates of an image, best first → those to verify."""


class FaceFinder:
    """Find the faces of images, and predict their parameters.

    Args:
        networks: of the pack.
        landmarks: parameters → landmarks, px.
        detector: instead of the pack's own.
    """

    def __init__(
        self, networks: PackNetworks, landmarks: LandmarkModel, detector: Detector | None = None
    ) -> None:
        self._networks, self._landmarks, self._detector = networks, landmarks, detector
        self._thresholds = networks.thresholds(own_detector=detector is None)

    @property
    def detector(self) -> Detector:
        """What finds candidates."""
        return self._networks.detector if self._detector is None else self._detector

    @property
    def verifies(self) -> bool:
        """Whether the pack's networks tell faces from other candidates."""
        return self._thresholds.enabled

    @property
    def scores_are_known(self) -> bool:
        """Whether the pack knows what a score of the detector means."""
        return self._thresholds.scores_are_known

    @property
    def verified_detector(self) -> Detector:
        """The detector, its detections verified where the pack asks for it."""
        return VerifiedDetector(self.detector, self._verifier) if self.verifies else self.detector

    def faces(
        self,
        sources: Sequence[Pyramid],
        selections: Sequence[Selection | None],
        search_size: int | None,
        most: int | None = None,
    ) -> list[list[Verified]]:
        """Return the faces of each image, best first, with their predictions.

        Args:
            sources: the images.
            selections: of each image, which candidates to verify; all of them where it is None.
            search_size: longer side at which the images are searched, px; the detector chooses by default.
            most: only so many faces of each image, the largest ones.
        """
        searches = self._searches(sources, selections, search_size, most)
        verified = find_faces(sources, searches, self._verifier, most)
        found = self._refined(sources, verified)
        if most is None:
            return found
        # A face that its second crop does not confirm was found in the place of others.
        short = [k for k, faces in enumerate(found) if len(faces) < min(most, len(verified[k]))]
        if short:
            again = self.faces([sources[k] for k in short], [selections[k] for k in short], search_size)
            for k, faces in zip(short, again, strict=True):
                found[k] = faces
        return [[faces[k] for k in largest([face.detection.box for face in faces], most)] for faces in found]

    def turned_scores(
        self, source: Pyramid, turns: Iterable[int], search_size: int | None, *, largest: bool = False
    ) -> dict[int, float]:
        """Return the detector's best score after each number of quarter turns (`np.rot90`) of an image.

        Args:
            source: the image.
            turns: numbers of quarter turns.
            search_size: longer side at which the image is searched, px; the detector chooses by default.
            largest: whether a copy for the largest faces will do.
        """
        detector, image = self.detector, source.image
        if isinstance(detector, AnchorFreeDetector):
            # What is searched is a copy: to turn the whole image of a camera takes longer than to search it.
            image = detector.reduced(source, search_size=search_size, largest=largest)
        return {n: best_score(self._detections(turned(image, n), search_size)) for n in turns}

    def _detections(self, image: Image, search_size: int | None) -> Sequence[Detection]:
        """Return what the detector finds in one copy of an image, unverified.

        Args:
            image: RGB.
            search_size: longer side of the copy, px; the detector chooses by default.
        """
        detector = self.detector
        if isinstance(detector, ScalableDetector):
            return detector.detect(image, search_size=search_size)
        return detector.detect(image)

    def among(self, sources: Sequence[Pyramid], searches: BatchSearch) -> list[list[Verified]]:
        """Return the faces that searches of the images find, best first, with their predictions."""
        return self._refined(sources, find_faces(sources, searches, self._verifier))

    @cached_property
    def _verifier(self) -> FaceVerifier:
        networks = self._networks
        return FaceVerifier(
            networks.verifying_regressor, self._landmarks, self._thresholds, networks.clear_reader
        )

    def _refined(
        self, sources: Sequence[Pyramid], verified: Sequence[Sequence[Verified]]
    ) -> list[list[Verified]]:
        """Return the faces after they were cropped again, without those that this does not confirm."""
        refined = iter(
            self._networks.refined_detections(
                [source for source, each in zip(sources, verified, strict=True) for _ in each],
                [face.prediction for each in verified for face in each],
            )
        )
        faces = [[Verified(face.detection, next(refined)) for face in each] for each in verified]
        return [[face for face in each if self._thresholds.accepts(face.prediction.params)] for each in faces]

    def _searches(
        self,
        sources: Sequence[Pyramid],
        selections: Sequence[Selection | None],
        search_size: int | None,
        most: int | None,
    ) -> BatchSearch:
        """Return the detector's search of the images; of several with one run of its network, if it can."""
        detector, images = self.detector, images_for(self.detector, sources)
        if all(select is None for select in selections):
            if most is not None and search_size is None and isinstance(detector, LargestFirstDetector):
                return detector.search_largest(images)
            if isinstance(detector, BatchDetector):
                return detector.search_batch(images, search_size=search_size)
        pairs = zip(sources, selections, strict=True)
        return SeparateSearches([self._search(source, select, search_size) for source, select in pairs])

    def _search(
        self, source: Pyramid, select: Selection | None, search_size: int | None
    ) -> Iterator[SearchStep]:
        """Return the detector's search of an image, or of some of its candidates."""
        detector, image = self.detector, source.image
        scalable = isinstance(detector, ScalableDetector)
        if search_size is not None and not scalable:
            raise InputError(
                f"search_size={search_size} was given, but the detector {type(detector).__name__} takes no "
                f"size; leave it out, or use the pack's own detector"
            )
        if scalable and search_size is None and select is None:
            return detector.search(image)
        found = list(self._detections(image, search_size))
        candidates = found if select is None else list(select(found))
        return iter([SearchStep(candidates, 0.0)])
