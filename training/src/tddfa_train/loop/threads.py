"""Threads for a background training on a shared machine.

Parallel regions wait for their slowest thread. When another process takes one of two cores, two threads are
ten times slower than one, so a background training gives a core up while somebody works on it.
"""

import os
import time
from pathlib import Path

_STAT = Path("/proc/stat")
_OWN_LOADER = 0.25  # cores that the training's own loading of images takes beside it


def _busy_seconds() -> float | None:
    """CPU seconds that all processes have used since the machine started; None off Linux."""
    try:
        user, nice, system = _STAT.read_text(encoding="ascii").split("\n", 1)[0].split()[1:4]
        return (int(user) + int(nice) + int(system)) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return None


class ThreadGovernor:
    """Chooses how many threads to use by what other processes use.

    Args:
        most: threads on an idle machine.
        interval: seconds between two looks.
    """

    def __init__(self, most: int, interval: float = 3.0):
        self.most, self.interval, self.threads = most, interval, most
        self._time, self._busy, self._own = time.monotonic(), _busy_seconds(), time.process_time()

    def look(self) -> int:
        """The number of threads to use now."""
        now = time.monotonic()
        if now - self._time >= self.interval:
            busy, own = _busy_seconds(), time.process_time()
            if busy is not None and self._busy is not None:
                others = (busy - self._busy - (own - self._own)) / (now - self._time) - _OWN_LOADER
                self.threads = min(self.most, max(1, self.most - round(others)))
            self._time, self._busy, self._own = now, busy, own
        return self.threads
