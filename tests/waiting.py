"""Waiting in tests: for as long as it takes, as only what never happens is a fault.

A machine that stands still for minutes, as shared ones do, lets every clock run on. So patience is counted in
looks: one that took minutes counts as a second, and whoever waits looks again before giving up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S = 600.0
"""Limit of waits for processes, sockets and threads, which cannot be counted in looks."""

_LONGEST_LOOK_S = 1.0


def wait_until(
    look: Callable[[], T],
    what: str = "",
    *,
    patience_s: float = 240.0,
    pause: Callable[[], object] = lambda: time.sleep(0.02),
) -> T:
    """Look again and again until something is there, and return it.

    Args:
        look: returns what is waited for; what counts as false is not there yet.
        what: name of it, for the message.
        patience_s: time without the stalls of the machine, s; at least as many looks as seconds are taken.
        pause: called between looks.

    Raises:
        AssertionError: it did not come.
    """
    left = patience_s
    while True:
        begin = time.monotonic()
        found = look()
        if found:
            return found
        assert left > 0, f"waited in vain{': ' + what if what else ''}"
        pause()
        left -= min(time.monotonic() - begin, _LONGEST_LOOK_S)
