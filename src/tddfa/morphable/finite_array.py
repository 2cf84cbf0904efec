"""Arrays of what callers pass, checked at the door."""

from __future__ import annotations

from typing import Any

import numpy as np

from tddfa.errors import InputError
from tddfa.shapes import Float64


def as_finite_array(
    name: str, values: Any, shape: tuple[int, ...] | None = None
) -> Float64[np.ndarray, "..."]:
    """Return values as an array; finite and of the required shape, where one is given.

    Args:
        name: what the values are, for messages.
        values: an array, or anything that NumPy makes one of.
        shape: required shape; with None, shape and finiteness are not checked.

    Raises:
        InputError: the values are no numbers, not of that shape, or not finite.
    """
    try:
        array = np.asarray("" if values is None else values, np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name}: {_short(values)} where finite numbers are needed") from None
    if shape is None:
        return array
    if array.shape != shape:
        raise InputError(f"{name} has shape {array.shape}; it is {shape}")
    if not np.isfinite(array).all():
        raise InputError(f"{name}: {_short(values)} where finite numbers are needed")
    return array


def _short(values: Any) -> str:
    text = " ".join(repr(values).split())
    return text if len(text) <= 40 else f"{text[:37]}..."
