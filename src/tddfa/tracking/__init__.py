"""Frames → faces with identities over time, and their smoothing."""

from __future__ import annotations

import importlib
from typing import Any

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
from tddfa.tracking.tracker import FaceTracker

__all__ = [
    "SMOOTHERS",
    "FaceTracker",
    "NoSmoothing",
    "OneEuro",
    "Smoother",
    "State",
    "TrackedFace",
    "Window",
    "ZeroPhase",
    "make_smoother",
]

# Names that have moved to tddfa.streams; they warn when they are used.
_MOVED = {
    "AnimationWriter": "tddfa.streams.sinks.animation",
    "TableWriter": "tddfa.streams.sinks.table",
}


def __getattr__(name: str) -> Any:
    if name not in _MOVED:
        raise AttributeError(f"module 'tddfa.tracking' has no attribute {name!r}")
    return getattr(importlib.import_module(_MOVED[name]), name)
