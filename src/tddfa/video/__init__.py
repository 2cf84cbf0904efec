"""Frames in and out: video files with their sound, cameras; the only user of FFmpeg (through PyAV)."""

from tddfa.video.camera import Camera
from tddfa.video.frame import Frame
from tddfa.video.reader import VideoReader
from tddfa.video.threads import Behind, ahead
from tddfa.video.writer import VideoWriter

__all__ = ["Behind", "Camera", "Frame", "VideoReader", "VideoWriter", "ahead"]
