"""Smooth random fields in space, which colour skin, hair, cloth and walls."""

from __future__ import annotations

import numpy as np

from tddfa.shapes import Float, Float32

_PERIOD = 32
_WRAP = _PERIOD - 1


class ValueNoise:
    """A random field with the period of 32 cells: random numbers at the corners of cubes, smooth between.

    Args:
        rng: source of the numbers.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._corners = rng.uniform(-1, 1, _PERIOD**3).astype(np.float32)

    def __call__(
        self, points: Float32[np.ndarray, "n 3"], cell: float | tuple[float, float, float], octaves: int = 1
    ) -> Float32[np.ndarray, " n"]:
        """Return the field at points, about in [-1, 1].

        Args:
            points: any unit.
            cell: side of a cell in x, y and z, same unit; longer in one direction makes streaks.
            octaves: fields of half the cell and half the strength that are added.
        """
        total = np.zeros(len(points), np.float32)
        scaled = points / np.asarray(cell, np.float32)
        for octave in range(octaves):
            # The shift keeps the corners of different octaves apart.
            total += self._field(scaled * np.float32(2**octave) + np.float32(7.3 * octave)) * 0.5**octave
        return total

    def _field(self, at: Float32[np.ndarray, "n 3"]) -> Float32[np.ndarray, " n"]:
        low = np.floor(at)
        t = at - low
        x, y, z = (t * t * (3 - 2 * t)).T
        i, j, k = low.astype(np.int32).T
        total = np.zeros(len(at), np.float32)
        for dx, wx in ((0, 1 - x), (1, x)):
            row = ((i + dx) & _WRAP) * _PERIOD
            for dy, wy in ((0, 1 - y), (1, y)):
                line, weight = (row + ((j + dy) & _WRAP)) * _PERIOD, wx * wy
                near = self._corners.take(line + (k & _WRAP))
                far = self._corners.take(line + ((k + 1) & _WRAP))
                total += weight * (near + z * (far - near))
        return total


def smoothstep(low: float, high: float, x: Float[np.ndarray, "..."]) -> Float32[np.ndarray, "..."]:
    """Return 0 below `low`, 1 above `high`, and a smooth step between; `low` may be the larger."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)
