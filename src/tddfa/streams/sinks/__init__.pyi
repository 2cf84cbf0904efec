"""Where tracked frames can go, one module each."""

from tddfa.streams.sinks.animation import AnimationSink
from tddfa.streams.sinks.livelink import LiveLinkSink
from tddfa.streams.sinks.livelink_csv import LiveLinkCsvSink
from tddfa.streams.sinks.osf import OpenSeeFaceSink
from tddfa.streams.sinks.table import TableSink
from tddfa.streams.sinks.timeline import TimelineSink
from tddfa.streams.sinks.video import VideoSink
from tddfa.streams.sinks.vmc import VmcSink
from tddfa.streams.sinks.websocket import WebSocketSink
from tddfa.streams.sinks.window import WindowSink

__all__ = [
    "AnimationSink",
    "LiveLinkCsvSink",
    "LiveLinkSink",
    "OpenSeeFaceSink",
    "TableSink",
    "TimelineSink",
    "VideoSink",
    "VmcSink",
    "WebSocketSink",
    "WindowSink",
]
