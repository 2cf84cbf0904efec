"""The networks of a pack, each loaded when it is first used; the one reader of its settings here."""

from __future__ import annotations

import math
from functools import cached_property

from tddfa.alignment.verification import AcceptanceThresholds
from tddfa.detection import Detector, make_detector
from tddfa.errors import InputError
from tddfa.packs import ModelPack
from tddfa.regression import Regressor, make_regressor
from tddfa.runtime import Engine, Network


class PackNetworks:
    """The detector and the regressors of a pack.

    Args:
        pack: the pack.
        engine: runs its networks.
    """

    def __init__(self, pack: ModelPack, engine: Engine) -> None:
        self._pack, self._engine = pack, engine
        self._spec = pack.manifest.regressor

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
        file = getattr(self._spec, "expressions", None)
        return self._regressor(self._spec.file, None if file is None else self._network(file))

    @cached_property
    def verifying_regressor(self) -> Regressor:
        """The network that sees detections first: one of its own, or the regressor."""
        return self.regressor if self._spec.verifier is None else self._regressor(self._spec.verifier)

    @property
    def n_refinements(self) -> int:
        """How often the regressor crops a detected face again."""
        # Where another network sees detections first, the last prediction is never its own.
        return max(self._spec.refinements, 0 if self._spec.verifier is None else 1)

    def thresholds(self, *, own_detector: bool) -> AcceptanceThresholds:
        """Return when a candidate is a face; the pack knows the scores of its own detector only."""
        detector = self._pack.manifest.detector if own_detector else None
        trusted = None if detector is None else detector.trusted_score
        return AcceptanceThresholds(self._spec.min_confidence, math.inf if trusted is None else trusted)

    def _regressor(self, file: str, expressions: Network | None = None) -> Regressor:
        return make_regressor(self._network(file), self._spec, self._pack.arrays, expressions)

    def _network(self, file: str) -> Network:
        return self._engine(self._pack.read(file), f"{file} of pack {self._pack.manifest.name!r}")
