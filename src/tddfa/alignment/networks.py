"""The networks of a pack, each loaded when it is first used; the one reader of its settings here."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import TypeVar

from tddfa.alignment.prediction import Prediction, Source, predict_again
from tddfa.alignment.refinement import refine
from tddfa.alignment.verification import AcceptanceThresholds
from tddfa.detection import Detector, make_detector
from tddfa.errors import InputError
from tddfa.packs import ModelPack
from tddfa.packs.specs import AffineCameraSpec
from tddfa.regression import Regressor, make_regressor
from tddfa.regression.closeups import CloseUps
from tddfa.regression.expressions import ExpressionNetwork
from tddfa.regression.frame_to_frame import FollowingNetwork
from tddfa.runtime import DeferredNetwork, Engine, Network
from tddfa.types import BoundingBox, FaceParams, Image

T = TypeVar("T")


class PackNetworks:
    """The detector and the regressors of a pack.

    Args:
        pack: the pack.
        engine: runs its networks.
    """

    def __init__(self, pack: ModelPack, engine: Engine) -> None:
        self._pack, self._engine = pack, engine
        self._spec = pack.manifest.regressor
        self._by_file: dict[str, DeferredNetwork] = {}

    def load(self) -> None:
        """Load the networks that nearly every photo needs, so that a broken pack is refused at once.

        Clear faces that are framed well do without the verifier and the regressor, where those are others.

        Raises:
            PackError: one of them is broken.
        """
        _ = self.framed_reader or self.verifying_regressor, self.expressions
        self._deferred(self._spec.framed_reader or self._spec.verifier or self._spec.file).load()

    @cached_property
    def detector(self) -> Detector:
        """The pack's own detector.

        Raises:
            InputError: the pack has none.
        """
        spec = self._pack.manifest.detector
        if spec is None:
            raise InputError(
                f"pack {self._pack.manifest.name!r} has no detector; pass detector=, boxes= or landmarks="
            )
        return make_detector(self._network(spec.file), spec)

    @cached_property
    def regressor(self) -> Regressor:
        """The network that predicts the faces that are returned."""
        return self._regressor(self._spec.file)

    @cached_property
    def verifying_regressor(self) -> Regressor:
        """The network that sees detections first: one of its own, or the regressor."""
        return self._other_regressor(self._spec.verifier)

    @cached_property
    def framed_reader(self) -> Regressor | None:
        """The network for faces that are framed well; None in packs without one."""
        file = self._spec.framed_reader
        return None if file is None else self._other_regressor(file)

    @property
    def clear_reader(self) -> Regressor | None:
        """The network that may have the last word on clear detections; None where the regressor has it.

        Without close-ups, which correct either network, the last prediction is never another network's.
        """
        reader = self.framed_reader
        return reader if self.expressions is not None or reader is self.regressor else None

    @property
    def box_reader(self) -> Regressor:
        """The network that sees boxes first that are given."""
        return self.regressor if self.framed_reader is None else self.framed_reader

    @cached_property
    def expressions(self) -> ExpressionNetwork | None:
        """The network that reads close-ups of the faces; None in packs without one."""
        return self._reader(lambda spec: spec.expressions, ExpressionNetwork)

    @cached_property
    def following(self) -> FollowingNetwork | None:
        """The network that follows faces from frame to frame; None in packs without one."""
        return self._reader(lambda spec: spec.following, FollowingNetwork)

    def refined_detections(
        self, sources: Sequence[Source], predictions: Sequence[Prediction]
    ) -> list[Prediction]:
        """Return predictions for detections after cropping the faces again, as the pack says.

        Args:
            sources: what shows each face.
            predictions: what the verifying network predicted.
        """
        least = 0 if self.expressions is not None else 1
        refined = self._refined(sources, predictions, self.verifying_regressor, least)
        reader = self.clear_reader
        if reader is None or self._spec.framed_reader == self._spec.verifier:
            return refined
        # Verification needs no exact network: faces that need no other crop are read by another one, too.
        framed = [k for k, seen in enumerate(refined) if seen.is_of_box and not seen.is_exact]
        again = predict_again(reader, [sources[k] for k in framed], [refined[k] for k in framed])
        for k, new in zip(framed, again, strict=True):
            if new is not None:
                confidence = refined[k].params.confidence
                refined[k] = replace(new, params=replace(new.params, confidence=confidence))
        return refined

    def refined_boxes(self, sources: Sequence[Source], predictions: Sequence[Prediction]) -> list[Prediction]:
        """Return predictions for boxes that were given, likewise; one that frames its face well will do.

        Args:
            sources: what shows each face.
            predictions: what the network that reads boxes predicted.
        """
        reader = self.box_reader
        least = 0 if self.expressions is not None or reader is self.regressor else 1
        return self._refined(sources, predictions, reader, least)

    def _refined(
        self, sources: Sequence[Source], predictions: Sequence[Prediction], first: Regressor, least: int
    ) -> list[Prediction]:
        most = max(self._spec.refinements, 0 if first is self.regressor else 1)
        return refine(self.regressor, sources, predictions, least=min(least, most), most=most)

    def corrected(self, sources: Sequence[Source], params: Sequence[FaceParams]) -> list[FaceParams]:
        """Return parameters as the close-ups correct them; the same in packs without close-ups.

        Args:
            sources: what shows each face.
            params: what the regressor predicted.
        """
        return list(params) if self.expressions is None else self.expressions(sources, params)

    def corrected_crops(
        self, crops: Sequence[Image], squares: Sequence[BoundingBox], params: Sequence[FaceParams]
    ) -> list[FaceParams]:
        """Return parameters as the close-ups of crops correct them, that were cut before.

        Args:
            crops: square images of any size.
            squares: where each was cut from its image, px.
            params: what the regressor predicted, in the frames of the images.
        """
        reader = self.expressions
        return list(params) if reader is None else reader.from_crops(crops, squares, params)

    def thresholds(self, *, own_detector: bool) -> AcceptanceThresholds:
        """Return when a candidate is a face; the pack knows the scores of its own detector only."""
        detector = self._pack.manifest.detector if own_detector else None
        trusted = None if detector is None else detector.trusted_score
        return AcceptanceThresholds(self._spec.min_confidence, math.inf if trusted is None else trusted)

    def _reader(
        self, file_of: Callable[[AffineCameraSpec], str | None], kind: Callable[[Network, CloseUps], T]
    ) -> T | None:
        """Return a network that reads close-ups; None where the pack has no such file."""
        spec, closeups = self._spec, self._closeups
        file = file_of(spec) if isinstance(spec, AffineCameraSpec) else None
        return None if file is None or closeups is None else kind(self._network(file), closeups)

    @cached_property
    def _closeups(self) -> CloseUps | None:
        spec = self._spec
        if not isinstance(spec, AffineCameraSpec) or spec.closeups is None:
            return None
        return CloseUps.from_arrays(self._pack.arrays(spec.closeups))

    def _other_regressor(self, file: str | None) -> Regressor:
        return self.regressor if file in (None, self._spec.file) else self._regressor(file)

    def _regressor(self, file: str) -> Regressor:
        return make_regressor(self._deferred(file), self._spec, self._pack.arrays)

    def _deferred(self, file: str) -> DeferredNetwork:
        return self._by_file.setdefault(file, DeferredNetwork(partial(self._network, file)))

    def _network(self, file: str) -> Network:
        return self._engine(self._pack.read(file), f"{file} of pack {self._pack.manifest.name!r}")
