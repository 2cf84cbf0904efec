"""FaceParams → Mesh: 3D morphable face models, and fits of them to points."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tddfa.morphable.calibration import calibrate_landmarks
from tddfa.morphable.correspondence import Correspondence, correspond, fit_vertices
from tddfa.morphable.fitting import Fit, Fitter, fit_landmarks
from tddfa.morphable.landmarks import LandmarkSet
from tddfa.morphable.model import MorphableModel
from tddfa.packs import make_part

MODELS: Mapping[
    str, Callable[[str, Mapping[str, Any], Callable[[str], Mapping[str, Any]]], MorphableModel]
] = {
    "linear": lambda name, settings, arrays: MorphableModel.from_arrays(name, arrays(settings["file"])),
    "open": lambda _name, settings, _arrays: MorphableModel.open(
        level=settings.get("level", 1), crop=settings.get("crop", "face")
    ),
}
"""Kind in a pack's manifest → model from the pack's name, its settings and its arrays by file name."""


def make_model(
    name: str, settings: Mapping[str, Any], arrays: Callable[[str], Mapping[str, Any]]
) -> MorphableModel:
    """The face model that a manifest describes.

    Args:
        name: of the pack.
        settings: the manifest's `model`.
        arrays: reads an .npz of the pack.

    Raises:
        PackError: its kind is unknown or its settings are incomplete or wrong.
    """
    return make_part("face model", MODELS, settings, name, settings, arrays)


__all__ = [
    "MODELS",
    "Correspondence",
    "Fit",
    "Fitter",
    "LandmarkSet",
    "MorphableModel",
    "calibrate_landmarks",
    "correspond",
    "fit_landmarks",
    "fit_vertices",
    "make_model",
]
