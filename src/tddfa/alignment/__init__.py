"""Image → faces: the one place where detection, regression and face model meet."""

from tddfa.alignment.aligner import FaceAligner
from tddfa.alignment.faces import Faces
from tddfa.alignment.inputs import ErrorPolicy
from tddfa.alignment.verification import AcceptanceThresholds, FaceVerifier, VerifiedDetector

__all__ = ["AcceptanceThresholds", "ErrorPolicy", "FaceAligner", "FaceVerifier", "Faces", "VerifiedDetector"]
