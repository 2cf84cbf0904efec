"""Networks that are loaded when they first run."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from tddfa.concurrency import one_at_a_time
from tddfa.runtime.session import ImageBatch, Network
from tddfa.shapes import Float32


class DeferredNetwork:
    """A network that is loaded when it first runs, once for all threads.

    Args:
        make: makes the network.
    """

    def __init__(self, make: Callable[[], Network]) -> None:
        self._make = make
        self._made: Network | None = None

    @one_at_a_time
    def load(self) -> Network:
        """Return the network; what making it raises is raised here."""
        if self._made is None:
            self._made = self._make()
        return self._made

    def __call__(
        self, x: ImageBatch, numbers: Float32[np.ndarray, "n k"] | None = None
    ) -> Mapping[str, Float32[np.ndarray, "..."]]:
        """Return the outputs for the inputs, by name."""
        network = self._made if self._made is not None else self.load()
        return network(x) if numbers is None else network(x, numbers)
