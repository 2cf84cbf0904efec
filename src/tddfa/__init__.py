"""3D dense face alignment: meshes, 68 landmarks, head pose and expression of every face in a picture."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tddfa.errors import TddfaError as TddfaError
    from tddfa.imaging import decode_image as decode_image
    from tddfa.imaging import read_image as read_image
    from tddfa.imaging import write_image as write_image
    from tddfa.pipeline import FaceAligner as FaceAligner
    from tddfa.tracking import FaceTracker as FaceTracker
    from tddfa.types import BoundingBox as BoundingBox
    from tddfa.types import Detection as Detection
    from tddfa.types import Face as Face
    from tddfa.types import FaceParams as FaceParams
    from tddfa.types import HeadPose as HeadPose
    from tddfa.types import Mesh as Mesh
    from tddfa.video import VideoReader as VideoReader

__version__ = "0.1.0"

# Public name → module. Loaded on first use, so that `import tddfa` costs nothing.
_PUBLIC = {
    "BoundingBox": "tddfa.types",
    "Detection": "tddfa.types",
    "Face": "tddfa.types",
    "FaceAligner": "tddfa.pipeline",
    "FaceParams": "tddfa.types",
    "FaceTracker": "tddfa.tracking",
    "HeadPose": "tddfa.types",
    "Mesh": "tddfa.types",
    "TddfaError": "tddfa.errors",
    "VideoReader": "tddfa.video",
    "decode_image": "tddfa.imaging",
    "read_image": "tddfa.imaging",
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
