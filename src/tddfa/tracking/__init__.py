"""Frames → faces with identities over time; smoothing; tables of them."""

from tddfa.tracking.animation import AnimationWriter
from tddfa.tracking.face import State, TrackedFace
from tddfa.tracking.smoothing import (
    SMOOTHERS,
    NoSmoothing,
    OneEuro,
    Smoother,
    Window,
    ZeroPhase,
    make_smoother,
)
from tddfa.tracking.table import TableWriter
from tddfa.tracking.tracker import FaceTracker

__all__ = [
    "SMOOTHERS",
    "AnimationWriter",
    "FaceTracker",
    "NoSmoothing",
    "OneEuro",
    "Smoother",
    "State",
    "TableWriter",
    "TrackedFace",
    "Window",
    "ZeroPhase",
    "make_smoother",
]
