"""Where tracked frames can go, one module each."""

from tddfa.streams.sinks.animation import AnimationSink
from tddfa.streams.sinks.table import TableSink
from tddfa.streams.sinks.video import VideoSink
from tddfa.streams.sinks.window import WindowSink

__all__ = ["AnimationSink", "TableSink", "VideoSink", "WindowSink"]
