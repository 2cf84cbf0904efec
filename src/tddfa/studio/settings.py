"""What a studio serves, to whom, and how much of it."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import field

from tddfa.dataclass import dataclass
from tddfa.errors import InputError

_TOKEN = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may ask for.

    Attributes:
        image_bytes: size of an image file.
        image_pixels: pixels of an image, and of a frame of a video.
        frame_bytes: size of a camera frame, and of any other message of a WebSocket.
        frame_pixels: pixels of a camera frame.
        video_bytes: size of a video file.
        video_s: duration of a video, s.
        faces: faces that a camera or a video is followed for at a time.
        photos: photos that are kept in memory for further outputs.
        photo_bytes: bytes of these photos, decoded.
        photo_s: time for which an unused photo is kept, s.
        waiting: requests for photos that may wait for their turn.
        cameras: cameras at a time.
        videos: videos that wait or are worked on.
        kept_videos: videos that are done and still there.
        video_kept_s: time for which a video's files are kept after a client last asked about it, s.
        destinations: receivers that a camera may be sent to.
        silence_s: time for which a client may send nothing of a body that it has begun, s.
        upload_s: time that the upload of an image may take, s.
    """

    image_bytes: int = 40 << 20
    image_pixels: int = 60_000_000
    frame_bytes: int = 2 << 20
    frame_pixels: int = 1920 * 1200
    video_bytes: int = 2 << 30
    video_s: float = 3600.0
    faces: int = 8
    photos: int = 24
    photo_bytes: int = 600 << 20
    photo_s: float = 900.0
    waiting: int = 32
    cameras: int = 16
    videos: int = 8
    kept_videos: int = 12
    video_kept_s: float = 3600.0
    destinations: int = 4
    silence_s: float = 10.0
    upload_s: float = 120.0


@dataclass(frozen=True, slots=True)
class StudioSettings:
    """How a studio runs.

    Attributes:
        host: address that the server listens on; the default can be reached from this computer alone.
        allowed_hosts: further names under which clients reach the server, such as that of a proxy.
        token: what clients have to know, of printable ASCII characters without spaces; None where the
            server listens on this computer alone.
        pack: model pack; the default pack when None.
        device: where networks run; see `FaceAligner`.
        workers: faces of how many images are looked for at a time.
        limits: what a client may ask for.

    Raises:
        InputError: the token has other characters; clients could not send these in a header.
    """

    host: str = "127.0.0.1"
    allowed_hosts: tuple[str, ...] = ()
    token: str | None = None
    pack: str | None = None
    device: str = "cpu"
    workers: int = field(default_factory=lambda: max(os.cpu_count() or 1, 1))
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if self.token is not None and not _TOKEN.fullmatch(self.token):
            raise InputError("the token takes letters, digits and punctuation of ASCII alone, and no spaces")

    @property
    def is_local(self) -> bool:
        """Whether only this computer reaches the server."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Return whether a host name or address means this computer alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
