"""OpenSeeFace over UDP: VSeeFace's own input, VTube Studio, and what reads the same datagrams."""

from __future__ import annotations

import contextlib
import time
from types import TracebackType

from tddfa.export import osf
from tddfa.streams.avatar import Avatar, as_avatar
from tddfa.streams.destinations import Destination, check_destination
from tddfa.streams.frame import TrackedFrame, check_frame, not_open
from tddfa.streams.sinks.udp import UdpSender

_MAX_FACES = 65507 // osf.BYTES_PER_FACE  # what a datagram can hold


class OpenSeeFaceSink(contextlib.AbstractContextManager["OpenSeeFaceSink"]):
    """Send a datagram for each frame with 1785 bytes for each face; nothing while there is no face.

    Args:
        destination: host and port.
        avatar: which faces are sent, and what is done to their numbers.

    Raises:
        InputError: an option is unknown.
    """

    needs_image = True  # for its size

    def __init__(self, destination: Destination, *, avatar: Avatar | None = None) -> None:
        check_destination(destination)
        avatar = as_avatar(avatar)
        self._destination = destination
        self._avatar = avatar
        self._sender: UdpSender | None = None

    def __enter__(self) -> OpenSeeFaceSink:
        self._sender = UdpSender(self._destination)
        return self

    def write(self, frame: TrackedFrame) -> None:
        """Send a frame.

        Raises:
            InputError: the frame has no image.
        """
        check_frame(frame, "OpenSeeFace, which is told the size of the image,")
        if self._sender is None:
            raise not_open(self)
        assert frame.image is not None
        captures = self._avatar.captures(frame)[:_MAX_FACES]
        if captures:
            height, width = frame.image.shape[:2]
            self._sender.send(osf.encode(captures, width=width, height=height, time=time.time()))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sender is not None:
            self._sender.close()
            self._sender = None
