"""Live Link Face over UDP: Unreal Engine, and importers for Blender, MetaHuman and others."""

from __future__ import annotations

import contextlib
import platform
import time
import uuid
from types import TracebackType

from tddfa.export import livelink
from tddfa.streams.avatar import Avatar, as_avatar
from tddfa.streams.destinations import Destination, check_destination
from tddfa.streams.frame import TrackedFrame, check_frame, not_open
from tddfa.streams.sinks.udp import UdpSender

SUBJECT = "tddfa"
"""Name in Unreal's Live Link window, unless the URL has `?subject=NAME`."""


class LiveLinkSink(contextlib.AbstractContextManager["LiveLinkSink"]):
    """Send a datagram for each frame and face; the header alone while there is no face.

    The first face is the subject, further ones are SUBJECT_2, SUBJECT_3 and so on. Timecode is the time of
    day.

    Args:
        destination: host, port, and options: `subject`.
        avatar: which faces are sent, and what is done to their numbers.

    Raises:
        InputError: an option is unknown, or the subject is empty or too long.
    """

    needs_image = False

    def __init__(self, destination: Destination, *, avatar: Avatar | None = None) -> None:
        check_destination(destination, "subject")
        avatar = as_avatar(avatar)
        self._destination = destination
        self._avatar = avatar
        self._subject = destination.options.get("subject", SUBJECT)
        livelink.encode(None, subject=self._subject, device_id=_device_id(self._subject), time=0.0)
        self._sender: UdpSender | None = None
        self._midnight_s: float | None = None
        self._slots: set[int] = set()

    def __enter__(self) -> LiveLinkSink:
        self._sender = UdpSender(self._destination)
        return self

    def write(self, frame: TrackedFrame) -> None:
        """Send a frame."""
        check_frame(frame)
        if self._sender is None:
            raise not_open(self)
        if self._midnight_s is None:  # of the first frame's day, on the clock of the frames
            self._midnight_s = _time_of_day() - frame.time
        captures = {capture.slot: capture for capture in self._avatar.captures(frame)}
        # A further face that is gone is said to be gone once; the first one in every frame.
        for slot in sorted({0, *captures, *self._slots}):
            subject = self._subject if slot == 0 else f"{self._subject}_{slot + 1}"
            data = livelink.encode(
                captures.get(slot),
                subject=subject,
                device_id=_device_id(subject),
                time=self._midnight_s + frame.time,
            )
            self._sender.send(data)
        self._slots = set(captures)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sender is not None:
            self._sender.close()
            self._sender = None


def _device_id(subject: str) -> str:
    """Return an ID that stays the same for a subject of this computer, and says nothing about either."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{subject}.{platform.node()}.tddfa")).upper()


def _time_of_day() -> float:
    """Return the seconds since midnight, local time."""
    now = time.time()
    local = time.localtime(now)
    return local.tm_hour * 3600 + local.tm_min * 60 + local.tm_sec + now % 1
