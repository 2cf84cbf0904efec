"""VMC over UDP: VSeeFace, Warudo, VNyan, VMagicMirror and whatever else takes VMC."""

from __future__ import annotations

import contextlib
from types import TracebackType

from tddfa.errors import InputError
from tddfa.export import vmc
from tddfa.streams.avatar import Avatar, as_avatar
from tddfa.streams.destinations import Destination, check_destination
from tddfa.streams.frame import TrackedFrame, check_frame, not_open
from tddfa.streams.sinks.udp import UdpSender


class VmcSink(contextlib.AbstractContextManager["VmcSink"]):
    """Send each frame of one face as OSC bundles; the state alone while there is no face.

    The protocol has room for one avatar: of several faces, the first is sent.

    Args:
        destination: host, port, and options: `shapes`, `names`, `neck`; see `tddfa.export.vmc.VmcOptions`.
        avatar: which face is sent, and what is done to its numbers.

    Raises:
        InputError: an option is unknown.
    """

    needs_image = False

    def __init__(self, destination: Destination, *, avatar: Avatar | None = None) -> None:
        check_destination(destination, "shapes", "names", "neck")
        avatar = as_avatar(avatar)
        given = destination.options
        self._options = vmc.VmcOptions(
            shapes=given.get("shapes", "all"),
            names=given.get("names", "arkit"),
            neck=_number("neck", given.get("neck", "0")),
        )
        self._destination = destination
        self._avatar = avatar
        self._sender: UdpSender | None = None

    def __enter__(self) -> VmcSink:
        self._sender = UdpSender(self._destination)
        return self

    def write(self, frame: TrackedFrame) -> None:
        """Send a frame."""
        check_frame(frame)
        if self._sender is None:
            raise not_open(self)
        capture = next(iter(self._avatar.captures(frame)), None)
        for data in vmc.encode(capture, time=frame.time, options=self._options):
            self._sender.send(data)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sender is not None:
            self._sender.close()
            self._sender = None


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{name}={text} is not a number") from None
