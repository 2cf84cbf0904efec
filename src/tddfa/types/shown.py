"""Values as messages show them."""

from __future__ import annotations

import reprlib

import numpy as np

_LONGEST = 100  # characters


def shown(value: object) -> str:
    """Return a value as it is shown in a message: one short line, however large an array is."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and type {value.dtype}"
    text = " ".join(reprlib.repr(value).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
