"""FaceParams → Mesh: 3D morphable face models, and fits of them to points."""

from __future__ import annotations

from tddfa.morphable.calibration import calibrate_landmarks
from tddfa.morphable.correspondence import Correspondence, correspond, fit_vertices
from tddfa.morphable.fitting import Fit, Fitter, fit_landmarks
from tddfa.morphable.kinds import MODELS, make_model
from tddfa.morphable.landmarks import LandmarkSet
from tddfa.morphable.model import MorphableModel
from tddfa.morphable.open_model import open_face_model
from tddfa.morphable.packed import pack_model

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
    "open_face_model",
    "pack_model",
]
