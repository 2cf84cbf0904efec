"""Sending datagrams without ever waiting: the sinks of Live Link Face, VMC and OpenSeeFace share it."""

from __future__ import annotations

import logging
import socket
from typing import Any

from tddfa.errors import InputError
from tddfa.streams.destinations import Destination

_log = logging.getLogger(__name__)


class UdpSender:
    """A socket that sends datagrams to a destination.

    Nobody has to listen there: a receiver may be absent, come later, or be started again. What cannot be sent
    at once is dropped. A broadcast address reaches every computer of its network.

    Args:
        destination: host and port.

    Attributes:
        dropped: number of datagrams that the system did not take.

    Raises:
        InputError: the host has no address, or the port is 0.
    """

    def __init__(self, destination: Destination) -> None:
        if destination.port == 0:
            raise InputError(f"cannot send to {destination}: no receiver has port 0")
        self._destination = destination
        family, self._address = _resolved(destination)
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self._trouble: int | None = None
        self.dropped = 0

    def send(self, data: bytes) -> None:
        """Send a datagram."""
        try:
            self._socket.sendto(data, self._address)
        except BlockingIOError:
            self.dropped += 1  # the system's buffer is full
        except OSError as error:
            # No network at the moment, or nobody listens and the system says so: the camera goes on.
            self.dropped += 1
            if error.errno != self._trouble:
                _log.warning("cannot send to %s: %s; going on", self._destination, error.strerror)
            self._trouble = error.errno
        else:
            self._trouble = None

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _resolved(destination: Destination) -> tuple[int, Any]:
    try:
        found = socket.getaddrinfo(destination.host, destination.port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        told = getattr(error, "strerror", None) or "it is no host name"
        raise InputError(f"cannot send to {destination}: {told}; check the host's name") from None
    family, _, _, _, address = found[0]
    return family, address
