"""Containers that a server opens for its clients: those whose demuxers read no other file."""

from __future__ import annotations

from pathlib import Path

from tddfa.errors import VideoFileError
from tddfa.video.source import VideoSource

# FFmpeg's demuxers of recordings and raw streams. Playlists (concat, HLS, DASH, IMF), session descriptions
# (SDP), subtitles with index files and image patterns are left out: they name other files and addresses,
# which the server would open for the client. A list of what is allowed also leaves out what later versions
# of FFmpeg add.
_DEMUXERS = (
    "mov matroska avi mpegts mpeg flv live_flv asf ogg gif apng mxf dv ivf nut wtv rm "
    "h261 h263 h264 hevc vvc av1 obu m4v mpegvideo mjpeg vc1 dirac yuv4mpegpipe"
)
_OPTIONS = {"format_whitelist": _DEMUXERS.replace(" ", ","), "protocol_whitelist": "file"}


class ContainerRefusedError(VideoFileError):
    """A file of a container that is not on the list."""


def check_container(path: Path) -> None:
    """Refuse a file that is no video by itself.

    FFmpeg chooses the demuxer by the bytes of the file before it compares it with the list, so whatever opens
    an unchanged file later uses the demuxer that was allowed here.

    Args:
        path: the file that was sent.

    Raises:
        ContainerRefusedError: its container is not on the list.
        VideoFileError: it cannot be opened.
    """
    from av.error import ArgumentError

    try:
        VideoSource(path).open(_OPTIONS).close()
    except VideoFileError as error:
        # FFmpeg's answer for a demuxer that is not on the list.
        if isinstance(error.__context__, ArgumentError):
            raise ContainerRefusedError(
                f"{path} is no video of a kind that is read here; send an MP4, MKV, WebM, MOV or AVI file"
            ) from None
        raise
