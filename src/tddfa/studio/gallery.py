"""Photos that were aligned a moment ago, so that their outputs need no second alignment."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from tddfa.dataclass import dataclass
from tddfa.outputs import Scene
from tddfa.studio.settings import Limits


@dataclass(slots=True, eq=False)
class _Kept:
    scene: Scene
    used: float


class Gallery:
    """Photos in memory, by a name that nobody can guess; the least recently used go first.

    Args:
        limits: number, bytes and age of the photos.
        clock: s, growing.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._clock = limits, clock
        self._lock = threading.Lock()
        self._photos: OrderedDict[str, _Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._photos)

    def add(self, scene: Scene) -> str:
        """Keep a photo, and return its name."""
        name = secrets.token_urlsafe(16)
        with self._lock:
            self._photos[name] = _Kept(scene, self._clock())
        self.sweep()
        return name

    def get(self, name: str) -> Scene | None:
        """Return a photo; None when it is gone."""
        self.sweep()
        with self._lock:
            kept = self._photos.get(name)
            if kept is None:
                return None
            self._photos.move_to_end(name)
            kept.used = self._clock()
            return kept.scene

    def remove(self, name: str) -> bool:
        """Forget a photo; whether it was there."""
        with self._lock:
            return self._photos.pop(name, None) is not None

    def sweep(self) -> None:
        """Forget photos that are old or too many; the newest is kept."""
        limits = self._limits
        with self._lock:
            oldest = self._clock() - limits.photo_s
            for name in [name for name, kept in self._photos.items() if kept.used < oldest]:
                del self._photos[name]
            total = sum(kept.scene.image.nbytes for kept in self._photos.values())
            while len(self._photos) > 1 and (len(self._photos) > limits.photos or total > limits.photo_bytes):
                _, kept = self._photos.popitem(last=False)
                total -= kept.scene.image.nbytes
