"""Where tracked frames can go, one module each."""

from tddfa.lazy import lazy_names

# `__init__.pyi` has the same names.
_PUBLIC = {
    "tddfa.streams.sinks.animation": "AnimationSink",
    "tddfa.streams.sinks.livelink": "LiveLinkSink",
    "tddfa.streams.sinks.livelink_csv": "LiveLinkCsvSink",
    "tddfa.streams.sinks.osf": "OpenSeeFaceSink",
    "tddfa.streams.sinks.table": "TableSink",
    "tddfa.streams.sinks.timeline": "TimelineSink",
    "tddfa.streams.sinks.video": "VideoSink",
    "tddfa.streams.sinks.vmc": "VmcSink",
    "tddfa.streams.sinks.websocket": "WebSocketSink",
    "tddfa.streams.sinks.window": "WindowSink",
}

__getattr__ = lazy_names(__name__, _PUBLIC)

__all__ = sorted(_PUBLIC.values())  # pyright: ignore[reportUnsupportedDunderAll]
