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
        self._verifier_file: str | None = pack.manifest.regressor.get("first_look")

    @cached_property
    def detector(self) -> Detector:
        """The pack's own detector.

        Raises:
            InputError: the pack has none.
        """
        settings = self._pack.manifest.detector
        if settings is None:
            raise InputError(
                f"pack {self._pack.manifest.name!r} has no detector; pass detector=, boxes= or landmarks="
            )
        return make_detector(self._network(settings["file"]), settings)

    @cached_property
    def regressor(self) -> Regressor:
        """The network that predicts the faces that are returned."""
        return self._regressor(self._pack.manifest.regressor["file"])

    @cached_property
    def verifying_regressor(self) -> Regressor:
        """The network that sees detections first: one of its own, or the regressor."""
        return self.regressor if self._verifier_file is None else self._regressor(self._verifier_file)

    @property
    def n_refinements(self) -> int:
        """How often the regressor crops a detected face again."""
        passes: int = self._pack.manifest.regressor.get("passes", 1)
        # Where another network sees detections first, the last prediction is never its own.
        return max(passes - 1, 0 if self._verifier_file is None else 1)

    def thresholds(self, *, own_detector: bool) -> AcceptanceThresholds:
        """Return when a candidate is a face; the pack knows the scores of its own detector only."""
        manifest = self._pack.manifest
        scores = (manifest.detector or {}) if own_detector else {}
        return AcceptanceThresholds(
            manifest.regressor.get("min_confidence", 0.0), scores.get("sure_score", math.inf)
        )

    def _regressor(self, file: str) -> Regressor:
        return make_regressor(self._network(file), self._pack.manifest.regressor, self._pack.arrays)

    def _network(self, file: str) -> Network:
        return self._engine(self._pack.read(file), f"{file} of pack {self._pack.manifest.name!r}")
