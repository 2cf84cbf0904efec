"""The values that travel between stages: frozen, with their shapes, units and frames.

Frames are defined once, in docs/conventions.md: the image frame (x right, y down, z away from the
camera, px, pixel centres at integers) and the model frame (x to the subject's left, y up, z out of
the face, mm).
"""

from tddfa.types.box import BoundingBox, BoxLike, Detection
from tddfa.types.face import Face, FaceModel
from tddfa.types.gaze import GazeAngles
from tddfa.types.image import Image
from tddfa.types.mesh import Mesh, MeshPart, Topology
from tddfa.types.params import FaceParams
from tddfa.types.pose import HeadPose

__all__ = [
    "BoundingBox",
    "BoxLike",
    "Detection",
    "Face",
    "FaceModel",
    "FaceParams",
    "GazeAngles",
    "HeadPose",
    "Image",
    "Mesh",
    "MeshPart",
    "Topology",
]
