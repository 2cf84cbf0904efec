"""Threads for a background training on a shared machine.

Parallel regions wait for their slowest thread. When another process takes one of two cores, two threads are
ten times slower than one, so a niced training gives a core up while somebody works on it.
"""

import time
from pathlib import Path

_STAT = Path("/proc/stat")
_TICKS = 100.0  # of the kernel's clock, per second


def _others_seconds() -> float | None:
    """CPU seconds that processes without `nice` have used since the machine started; None off Linux."""
    try:
        fields = _STAT.read_text(encoding="ascii").split("\n", 1)[0].split()
        return float(fields[1]) / _TICKS
    except (OSError, IndexError, ValueError):
        return None


class ThreadGovernor:
    """Chooses how many threads to use by what other processes use.

    Args:
        most: threads on an idle machine.
        interval: seconds between two looks.
    """

    def __init__(self, most: int, interval: float = 2.0):
        self.most, self.interval = most, interval
        self._time, self._used = time.monotonic(), _others_seconds()
        self.threads = most

    def look(self) -> int:
        """The number of threads to use now."""
        now = time.monotonic()
        if now - self._time >= self.interval:
            used = _others_seconds()
            if used is not None and self._used is not None:
                busy = (used - self._used) / (now - self._time)
                self.threads = max(1, self.most - round(busy + 0.25))
            self._time, self._used = now, used
        return self.threads
