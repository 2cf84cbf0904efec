"""Sources → tracked, smoothed frames → sinks: files, tables, animations, windows, sockets."""

from tddfa.streams.avatar import Avatar, AvatarSettings, Calibration
from tddfa.streams.destinations import Destination, open_sink
from tddfa.streams.follow import follow
from tddfa.streams.frame import TrackedFrame
from tddfa.streams.live import NewestFrames, RealTimeFrames
from tddfa.streams.sink import FileSink, Sink, write_frames
from tddfa.streams.sinks import (
    AnimationSink,
    LiveLinkCsvSink,
    LiveLinkSink,
    OpenSeeFaceSink,
    TableSink,
    TimelineSink,
    VideoSink,
    VmcSink,
    WebSocketSink,
    WindowSink,
)

__all__ = [
    "AnimationSink",
    "Avatar",
    "AvatarSettings",
    "Calibration",
    "Destination",
    "FileSink",
    "LiveLinkCsvSink",
    "LiveLinkSink",
    "NewestFrames",
    "OpenSeeFaceSink",
    "RealTimeFrames",
    "Sink",
    "TableSink",
    "TimelineSink",
    "TrackedFrame",
    "VideoSink",
    "VmcSink",
    "WebSocketSink",
    "WindowSink",
    "follow",
    "open_sink",
    "write_frames",
]
