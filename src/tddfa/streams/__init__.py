"""Sources → tracked, smoothed frames → sinks: files, tables, animations, windows, sockets."""

from tddfa.streams.follow import follow
from tddfa.streams.frame import TrackedFrame
from tddfa.streams.live import NewestFrames, RealTimeFrames
from tddfa.streams.sink import Sink, write_frames
from tddfa.streams.sinks import AnimationSink, TableSink, VideoSink, WindowSink

__all__ = [
    "AnimationSink",
    "NewestFrames",
    "RealTimeFrames",
    "Sink",
    "TableSink",
    "TrackedFrame",
    "VideoSink",
    "WindowSink",
    "follow",
    "write_frames",
]
