"""Smoothing of tracked faces: causal, looking ahead a little, or over the whole clip.

Every smoother begins anew where a face is "new" or "returned", so nothing is averaged over a cut.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from tddfa.errors import InputError
from tddfa.tracking.face import TrackedFace
from tddfa.tracking.smoothing.one_euro import OneEuro
from tddfa.tracking.smoothing.window import Window
from tddfa.tracking.smoothing.zero_phase import ZeroPhase
from tddfa.types.arguments import shown


@runtime_checkable
class Smoother(Protocol):
    """Take the faces of frame after frame and return them smoothed, in the same order, perhaps later.

    Attributes:
        delay: number of frames by which faces are late; None when only `flush` returns them.
    """

    delay: int | None

    def push(self, faces: Sequence[TrackedFace], time: float) -> list[list[TrackedFace]]:
        """Take the faces of the next frame, which shows at `time` (s); return the frames that are ready."""
        ...

    def flush(self) -> list[list[TrackedFace]]:
        """Return the frames that are left, after the last one."""
        ...


class NoSmoothing:
    """Return the faces as they are."""

    delay: int | None = 0

    def push(self, faces: Sequence[TrackedFace], time: float) -> list[list[TrackedFace]]:
        """Return the faces."""
        return [list(faces)]

    def flush(self) -> list[list[TrackedFace]]:
        """Return nothing: no frame is left."""
        return []


SMOOTHERS: Mapping[str, Callable[..., Smoother]] = {
    "one-euro": OneEuro,
    "none": NoSmoothing,
    "window": Window,
    "zero-phase": ZeroPhase,
}
"""Name → smoother. `window` takes `n_pre` and `n_next`."""


def make_smoother(name: str, **options: Any) -> Smoother:
    """Return the smoother of that name.

    Raises:
        InputError: no smoother has that name, or an option is out of range.
    """
    if not isinstance(name, str) or name not in SMOOTHERS:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"no smoothing named {shown(name)}; choose from {', '.join(SMOOTHERS)}")
    return SMOOTHERS[name](**options)


__all__ = ["SMOOTHERS", "NoSmoothing", "OneEuro", "Smoother", "Window", "ZeroPhase", "make_smoother"]
