"""Suffixes of video files, for folders; imports nothing heavy."""

from __future__ import annotations

# Suffixes that a folder of videos stands for.
VIDEO_SUFFIXES = frozenset(
    {
        *(
            ".mp4",
            ".m4v",
            ".mov",
            ".qt",
            ".3gp",
            ".3g2",
            ".mkv",
            ".webm",
            ".avi",
            ".divx",
            ".wmv",
            ".asf",
            ".flv",
        ),
        *(
            ".f4v",
            ".mpg",
            ".mpeg",
            ".m2v",
            ".mpv",
            ".vob",
            ".ts",
            ".mts",
            ".m2ts",
            ".mxf",
            ".ogv",
            ".ogm",
            ".dv",
        ),
        *(".gif", ".mjpeg", ".mjpg", ".y4m", ".nut", ".rm", ".rmvb", ".h264", ".h265", ".hevc", ".ivf"),
    }
)
