"""Frames → faces with identities over time; smoothing; tables of them."""

from tddfa.tracking.face import State, TrackedFace
from tddfa.tracking.tracker import FaceTracker

__all__ = ["FaceTracker", "State", "TrackedFace"]
