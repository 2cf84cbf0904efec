"""Rendered scenes of people whose place, pose and identity are known in every frame."""

from tddfa.evaluation.scenes.heads import Head, Placement
from tddfa.evaluation.scenes.scene import HEIGHT, WIDTH, Scene, SceneFrame, Shot, TrueFace, plain_background
from tddfa.evaluation.scenes.scripts import continuous_scenes, cut_scenes

__all__ = [
    "HEIGHT",
    "WIDTH",
    "Head",
    "Placement",
    "Scene",
    "SceneFrame",
    "Shot",
    "TrueFace",
    "continuous_scenes",
    "cut_scenes",
    "plain_background",
]
