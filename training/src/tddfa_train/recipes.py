"""What can be trained, by name; each recipe builds network, data, task and evaluation from one config."""

from collections.abc import Callable, Mapping
from typing import Any

from tddfa_train.alignment.recipe import AlignmentRecipe, alignment_experiment
from tddfa_train.detector.recipe import DetectorRecipe, detector_experiment
from tddfa_train.experiment import Experiment
from tddfa_train.expressions.recipe import CloseUpRecipe, closeup_experiment
from tddfa_train.landmarks.recipe import LandmarkRecipe, landmark_experiment
from tddfa_train.parameters.recipe import ParameterRecipe, parameter_experiment

RECIPES: Mapping[str, tuple[type[Any], Callable[[Any], Experiment]]] = {
    "landmarks": (LandmarkRecipe, landmark_experiment),
    "alignment": (AlignmentRecipe, alignment_experiment),
    "expressions": (CloseUpRecipe, closeup_experiment),
    "parameters": (ParameterRecipe, parameter_experiment),
    "detector": (DetectorRecipe, detector_experiment),
}
"""Name on the command line → config and how it becomes an experiment."""
