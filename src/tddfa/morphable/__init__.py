"""FaceParams → Mesh: 3D morphable face models, and fits of them to points."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tddfa.errors import PackError
from tddfa.morphable.calibration import calibrate_landmarks
from tddfa.morphable.correspondence import Correspondence, correspond, fit_vertices
from tddfa.morphable.fitting import Fit, Fitter, fit_landmarks
from tddfa.morphable.landmarks import LandmarkSet
from tddfa.morphable.model import MorphableModel

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
        PackError: its kind is unknown or its settings are incomplete.
    """
    kind = str(settings.get("kind"))
    if kind not in MODELS:
        raise PackError(f"the pack asks for the face model {kind!r}; known are {', '.join(MODELS)}")
    try:
        return MODELS[kind](name, settings, arrays)
    except KeyError as error:
        raise PackError(f"the pack's face model settings are incomplete: {error}") from None


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
