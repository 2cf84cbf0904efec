"""One strictly increasing time line, from what files say of time.

Clocks of files restart (files that were joined, broadcasts), stand still, go back, or give times in the order
of decoding instead of showing. Two steps mend that: `PacketClock` continues the clock of compressed packets,
whose decoding times may only grow; `FrameClock` gives the frames, which a decoder delivers in the order of
showing, times that grow.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import pairwise

# A step forward that is no pause of the recording. In formats for broadcasting, clocks jump by design; in
# others, a camera may have been paused for long.
BROADCAST_LEAP_S = 10.0
RECORDING_LEAP_S = 24 * 3600.0

_LATE_STEPS = 3  # frame durations by which decoding times go back in files that are merely badly written
_UNORDERED_STEPS = 17  # frame durations by which showing times may go back in the order of decoding
_FAR = (
    1 << 45
)  # ticks: a clock that begins farther from 0 is damaged, and too far for the precision of floats
_RETURN_PACKETS = 4  # packets within which a clock that jumped may return

Restart = Callable[[int], "int | None"]
"""The shift (ticks) that another stream of the file got at its n-th restart; None while it is not known."""


class PacketClock:
    """Continue a stream's clock where it restarts or leaps.

    Args:
        step: usual duration of a packet, ticks.
        leap: ticks forward that are still taken for a pause.
        reference: shifts of the stream that this one must stay in step with.

    Attributes:
        shifts: what was added to times after each restart, ticks; the first is 0.
    """

    def __init__(self, step: int, leap: int, reference: Restart | None = None) -> None:
        self.shifts = [0]
        self._step = max(step, 1)
        self._leap = leap
        self._reference = reference
        self._last: int | None = None
        self._former: tuple[int, int] | None = None  # shift and last time before a restart
        self._since_restart = 0
        self._has_dts = False

    def moved(self, pts: int | None, dts: int | None, duration: int | None) -> tuple[int | None, int | None]:
        """Return the times of the next packet (ticks) on the continued clock.

        Args:
            pts: when it is shown.
            dts: when it is decoded.
            duration: how long it is shown.
        """
        if dts is not None and not self._has_dts:
            self._has_dts, self._last = True, None  # showing times before it are no measure for it
        key = dts if self._has_dts else pts
        if key is not None:
            self._follow(key, duration or self._step)
        if pts is not None and dts is not None and abs(pts - dts) > self._leap:
            pts = None  # shown hours after it is decoded: a damaged time
        shift = self.shifts[-1]
        return None if pts is None else pts + shift, None if dts is None else dts + shift

    def _follow(self, key: int, step: int) -> None:
        if self._last is None and abs(key) > _FAR:
            self.shifts[0] = -key
        slack = (_LATE_STEPS if self._has_dts else _UNORDERED_STEPS) * step
        if self._last is not None:
            self._since_restart += 1
            if self._returned(key, step):
                pass
            elif not -slack <= key + self.shifts[-1] - self._last <= self._leap:
                self._former = self.shifts[-1], self._last
                self._since_restart = 0
                known = self._reference(len(self.shifts)) if self._reference is not None else None
                continued = self._last + step - key
                near = known is not None and abs(known - continued) <= 100 * step
                self.shifts.append(known if known is not None and near else continued)
        moved = key + self.shifts[-1]
        self._last = moved if self._last is None else max(moved, self._last)

    def _returned(self, key: int, step: int) -> bool:
        """Go back to the clock before a jump that only a few packets took part in."""
        if self._former is None or self._since_restart > _RETURN_PACKETS:
            self._former = None
            return False
        shift, last = self._former
        expected = last + (self._since_restart + 1) * step
        if abs(key + shift - expected) > 2 * step:
            return False
        here = key + self.shifts[-1]
        assert self._last is not None
        if abs(here - self._last - step) <= 2 * step:
            return False
        self.shifts.append(shift)
        self._former = None
        return True


class FrameClock:
    """Give frames times that grow, s since the first frame.

    Args:
        step: usual duration of a frame, s.
        even: whether frames lie at multiples of it, as in AVI.

    Attributes:
        origin: the file's own time of its first frame, s; None before it.
    """

    def __init__(self, step: float, *, even: bool = False) -> None:
        self._even = even
        self.origin: float | None = None
        self._step = step
        self._last: float | None = None
        self._repeats = 0
        self._pending: list[float] = []  # showing times of packets that were decoded, smallest first
        self._unordered = False

    def feed(self, pts: float | None) -> None:
        """Note the showing time of a packet that goes into the decoder, s."""
        if pts is not None:
            heapq.heappush(self._pending, pts)

    def begin(self, times: list[float | None]) -> None:
        """Look at the times of the first frames: do they grow, or are they those of decoding?"""
        known = [t for t in times if t is not None]
        gaps = sorted(b - a for a, b in pairwise(sorted(known)))
        if gaps and gaps[len(gaps) // 2] > 2 * self._step:
            self._step = gaps[len(gaps) // 2]  # the header gives the ticks of a clock, not frames
        self._unordered = any(b < a for a, b in pairwise(known))

    def time(self, pts: float | None, duration: float = 0.0) -> float:
        """Return the time of the next frame, s since the first.

        Args:
            pts: what the file says, s.
            duration: how long it shows, s; 0 when the file does not say.
        """
        # AVI says one tick of its clock for every frame.
        step = duration if duration > self._step / 8 else self._step
        if pts is not None and not self._unordered and self._last is not None:
            # It goes back by less than a reordering does: these are times of decoding.
            self._unordered = self._last - _UNORDERED_STEPS * step < pts < self._last
        moment = self._smallest(pts, step) if self._unordered and pts is not None else pts
        if self._last is None:
            self.origin = moment if moment is not None else 0.0
            self._last = self.origin
            self._forget(self._last)
            return 0.0
        if moment is not None and (self._even or self._unordered) and 0 < moment - self._last < step / 4:
            moment = None  # the last packets of AVI files are one tick apart
        if moment is None or moment <= self._last:
            # A single frame that repeats a time gets half a step, so that the next one may keep its own.
            self._repeats += 1
            once = self._repeats == 1 and moment is not None
            moment = self._last + step * (0.5 if once else 1.0)
        else:
            self._repeats = 0
        self._forget(moment)
        self._last = moment
        assert self.origin is not None
        return moment - self.origin

    def _smallest(self, pts: float, step: float) -> float:
        """Return the smallest time among the packets in the decoder: of the frame that comes out first."""
        floor = pts - _UNORDERED_STEPS * step
        while self._pending and (
            self._pending[0] < floor or (self._last is not None and self._pending[0] <= self._last)
        ):
            heapq.heappop(self._pending)
        return self._pending[0] if self._pending else pts

    def _forget(self, moment: float) -> None:
        while self._pending and self._pending[0] <= moment:
            heapq.heappop(self._pending)
