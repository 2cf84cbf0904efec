"""Images in and out, warps and drawing; the only user of OpenCV."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tddfa.imaging.files import decode_image as decode_image
    from tddfa.imaging.files import image_size as image_size
    from tddfa.imaging.files import read_image as read_image
    from tddfa.imaging.files import write_image as write_image

# Loaded on first use: the command looks up suffixes of images without loading OpenCV.
_PUBLIC = dict.fromkeys(("decode_image", "image_size", "read_image", "write_image"), "tddfa.imaging.files")

__all__ = [*_PUBLIC]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)
