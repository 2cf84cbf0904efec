"""FaceParams → Mesh: 3D morphable face models."""

from tddfa.morphable.model import MorphableModel

__all__ = ["MorphableModel"]
