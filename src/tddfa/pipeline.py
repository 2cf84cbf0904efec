"""The former name of `tddfa.alignment`."""

from tddfa.deprecation import renamed_names

__getattr__ = renamed_names(
    __name__,
    {
        "FaceAligner": "tddfa.alignment:FaceAligner",
        "check_image": "tddfa.types.image:check_image",
    },
)
