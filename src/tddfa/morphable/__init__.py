"""FaceParams → Mesh: 3D morphable face models, and fits of them to points."""

from tddfa.morphable.correspondence import Correspondence, correspond, fit_vertices
from tddfa.morphable.fitting import Fit, Fitter, fit_landmarks
from tddfa.morphable.landmarks import LandmarkSet
from tddfa.morphable.model import MorphableModel

__all__ = [
    "Correspondence",
    "Fit",
    "Fitter",
    "LandmarkSet",
    "MorphableModel",
    "correspond",
    "fit_landmarks",
    "fit_vertices",
]
