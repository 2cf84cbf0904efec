"""The former name of `tddfa.alignment.verification`."""

from tddfa.deprecation import renamed_names

__getattr__ = renamed_names(
    __name__,
    {
        "Belief": "tddfa.alignment.verification:AcceptanceThresholds",
        "CheckedDetector": "tddfa.alignment.verification:VerifiedDetector",
        "FirstLook": "tddfa.alignment.verification:FaceVerifier",
    },
)
