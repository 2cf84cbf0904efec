"""Frames in and out: videos, image sequences, cameras; the only user of FFmpeg (through PyAV)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tddfa.video.camera import Camera as Camera
    from tddfa.video.frame import Frame as Frame
    from tddfa.video.frame import FrameSource as FrameSource
    from tddfa.video.moment import Moment as Moment
    from tddfa.video.reader import VideoReader as VideoReader
    from tddfa.video.sequence import ImageSequence as ImageSequence
    from tddfa.video.sequence import open_video as open_video
    from tddfa.video.threads import Behind as Behind
    from tddfa.video.threads import ahead as ahead
    from tddfa.video.writer import VideoWriter as VideoWriter

# Loaded on first use: the command looks up suffixes of videos without loading OpenCV.
_PUBLIC = {
    "Behind": "threads",
    "Camera": "camera",
    "Frame": "frame",
    "FrameSource": "frame",
    "ImageSequence": "sequence",
    "Moment": "moment",
    "VideoReader": "reader",
    "VideoWriter": "writer",
    "ahead": "threads",
    "open_video": "sequence",
}

__all__ = [*_PUBLIC]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"tddfa.video.{_PUBLIC[name]}"), name)
