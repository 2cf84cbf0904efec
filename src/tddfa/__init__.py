"""3D dense face alignment: meshes, 68 landmarks, head pose and expression of every face in an image."""

import importlib
from typing import Any

from tddfa._version import __version__

# Public name → module; `__init__.pyi` has the same names for type checkers. Loaded on first use, so that
# `import tddfa` costs nothing.
_PUBLIC = {
    "BoundingBox": "tddfa.types",
    "Detection": "tddfa.types",
    "Face": "tddfa.types",
    "FaceAligner": "tddfa.alignment",
    "FaceParams": "tddfa.types",
    "FaceTracker": "tddfa.tracking",
    "GazeAngles": "tddfa.types",
    "HeadPose": "tddfa.types",
    "Mesh": "tddfa.types",
    "TddfaError": "tddfa.errors",
    "VideoReader": "tddfa.video",
    "decode_image": "tddfa.imaging",
    "read_image": "tddfa.imaging",
    "to_rows": "tddfa.export",
    "write_image": "tddfa.imaging",
}

__all__ = ["__version__", *_PUBLIC]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'tddfa' has no attribute {name!r}")
    value = getattr(importlib.import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
