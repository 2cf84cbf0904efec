"""Sources → tracked, smoothed frames → sinks: files, tables, animations, windows, sockets."""

from tddfa.lazy import lazy_names
from tddfa.streams.follow import follow as follow
from tddfa.streams.frame import TrackedFrame as TrackedFrame
from tddfa.streams.sink import FileSink as FileSink
from tddfa.streams.sink import Sink as Sink
from tddfa.streams.sink import write_frames as write_frames

# `__init__.pyi` has the same names. A table needs no sockets, no page and no avatar.
_PUBLIC = {
    "tddfa.streams.avatar": "Avatar AvatarSettings Calibration",
    "tddfa.streams.destinations": "Destination open_sink",
    "tddfa.streams.live": "NewestFrames RealTimeFrames",
    "tddfa.streams.sinks": (
        "AnimationSink LiveLinkCsvSink LiveLinkSink OpenSeeFaceSink TableSink TimelineSink VideoSink VmcSink "
        "WebSocketSink WindowSink"
    ),
}

__getattr__ = lazy_names(__name__, _PUBLIC)

__all__ = sorted(  # pyright: ignore[reportUnsupportedDunderAll]
    ["FileSink", "Sink", "TrackedFrame", "follow", "write_frames", *" ".join(_PUBLIC.values()).split()]
)
