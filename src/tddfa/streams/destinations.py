"""URLs of live receivers → the sinks that send to them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tddfa.dataclass import dataclass
from tddfa.errors import InputError
from tddfa.streams.sink import Sink
from tddfa.types.arguments import check_kind, shown


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a live sink sends to.

    Attributes:
        scheme: protocol, a key of `SENDERS`.
        host: name or address.
        port: port number.
        options: what the URL says behind its question mark.
    """

    scheme: str
    host: str
    port: int
    options: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def parse(cls, url: str) -> Destination:
        """Return the destination that a URL such as `vmc://192.168.0.7:39539` names.

        Raises:
            InputError: the scheme is unknown, the host is missing, the port is not a port, or an option is
                given twice.
        """
        if not isinstance(url, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"a destination is a URL such as vmc://127.0.0.1:39539, not {shown(url)}")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise InputError(f"{url!r} is not an address: {error}") from None
        if parts.scheme not in SENDERS:
            known = ", ".join(f"{scheme}://" for scheme in SENDERS)
            raise InputError(f"{url!r} is no destination; it begins with one of {known or '(none)'}")
        if not parts.hostname:
            raise InputError(f"{url!r} names no host; write {parts.scheme}://HOST[:PORT]")
        if parts.path not in ("", "/") or parts.username is not None or parts.fragment:
            raise InputError(f"{url!r} has more than {parts.scheme}://HOST[:PORT][?OPTION=VALUE]")
        port = SENDERS[parts.scheme].port if port is None else port
        options: dict[str, str] = {}
        for name, value in parse_qsl(parts.query, keep_blank_values=True):
            if name in options:
                raise InputError(f"{url!r} gives {name} twice; give it once")
            options[name] = value
        return cls(parts.scheme, parts.hostname, port, options)

    def check_options(self, *known: str) -> None:
        """Raise an error for an option that the sink does not have.

        Raises:
            InputError: an option is not among `known`.
        """
        for name in self.options:
            if name not in known:
                there = f"it takes {', '.join(known)}" if known else "it takes none"
                raise InputError(f"{self} has no option {name!r}; {there}")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def check_destination(destination: Any, *options: str) -> None:
    """Refuse what a live sink cannot send to; it has these options.

    Raises:
        InputError: `destination` is none, or has another option.
    """
    check_kind("destination", destination, Destination, 'write Destination.parse("vmc://127.0.0.1")')
    destination.check_options(*options)


@dataclass(frozen=True, slots=True)
class Sender:
    """A protocol for live receivers.

    Attributes:
        module: module of the sink, imported when it is used.
        name: the sink in it, called with a `Destination` and the keyword arguments of `open_sink`.
        port: port that receivers listen on by default.
    """

    module: str
    name: str
    port: int


SENDERS: Mapping[str, Sender] = {
    "livelink": Sender("tddfa.streams.sinks.livelink", "LiveLinkSink", 11111),
    "vmc": Sender("tddfa.streams.sinks.vmc", "VmcSink", 39539),
    "osf": Sender("tddfa.streams.sinks.osf", "OpenSeeFaceSink", 11573),
    "ws": Sender("tddfa.streams.sinks.websocket", "WebSocketSink", 8765),
}
"""Scheme of a URL → the protocol that it stands for."""


def open_sink(url: str | Destination, **options: Any) -> Sink:
    """Return the sink that sends to a URL; its context opens the connection.

    Args:
        url: `scheme://host[:port]`.
        options: keyword arguments of the sink.

    Raises:
        InputError: the URL cannot be used.
    """
    destination = url if isinstance(url, Destination) else Destination.parse(url)
    if destination.scheme not in SENDERS:
        raise InputError(f"no protocol {shown(destination.scheme)}; choose one of {', '.join(SENDERS)}")
    sender = SENDERS[destination.scheme]
    make = getattr(importlib.import_module(sender.module), sender.name)
    return make(destination, **options)
