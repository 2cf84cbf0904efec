"""FaceParams → Mesh: 3D morphable face models, and fits of them to points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tddfa.deprecation import warn_renamed
from tddfa.morphable.calibration import calibrate_landmarks
from tddfa.morphable.correspondence import Correspondence, correspond, fit_vertices
from tddfa.morphable.fitting import Fit, Fitter, fit_landmarks
from tddfa.morphable.kinds import MODELS, make_model
from tddfa.morphable.landmarks import LandmarkSet
from tddfa.morphable.linear import linear_model
from tddfa.morphable.model import MorphableModel
from tddfa.morphable.open_model import open_face_model
from tddfa.morphable.packed import pack_model


def _open(*, level: int = 1, crop: str = "face") -> MorphableModel:
    """Return the open face model, under its former name."""
    warn_renamed("MorphableModel.open", "tddfa.morphable.open_face_model")
    return open_face_model(level=level, crop=crop)


def _from_arrays(name: str, arrays: Mapping[str, Any]) -> MorphableModel:
    """Return a linear model, under its former name."""
    warn_renamed("MorphableModel.from_arrays", "tddfa.morphable.linear_model")
    return linear_model(name, arrays)


# Former names, for one release. They are set from here, so that the type does not know its instances.
setattr(MorphableModel, "open", staticmethod(_open))  # noqa: B010
setattr(MorphableModel, "from_arrays", staticmethod(_from_arrays))  # noqa: B010

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
    "linear_model",
    "make_model",
    "open_face_model",
    "pack_model",
]
