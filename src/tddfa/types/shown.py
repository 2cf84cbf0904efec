"""Values as messages show them."""

from __future__ import annotations

import reprlib

import numpy as np


def shown(value: object) -> str:
    """Return a value as it is shown in a message: one short line, however large an array is."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and type {value.dtype}"
    return " ".join(reprlib.repr(value).split())
