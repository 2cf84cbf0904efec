"""Samples whose number of bits is not a whole number of bytes."""

from __future__ import annotations

import numpy as np

_CHUNK = 1 << 22  # bits of samples that are unpacked at a time: each takes a byte meanwhile


def unpacked(rows: np.ndarray, bits: int, n: int) -> np.ndarray:
    """Return the first `n` samples of each row, uint8 or uint16.

    Args:
        rows: (rows, bytes), uint8; the first sample has the highest bits of the first byte.
        bits: of a sample, 1 to 16.
        n: samples; a row may end with bits that belong to none.
    """
    out = np.empty((len(rows), n), np.uint8 if bits <= 8 else np.uint16)
    weights = (1 << np.arange(bits)[::-1]).astype(np.uint16)
    step = max(_CHUNK // max(n * bits, 1), 1)
    for at in range(0, len(rows), step):
        single = np.unpackbits(rows[at : at + step], axis=1, count=n * bits)
        out[at : at + step] = single.reshape(len(single), n, bits) @ weights
    return out
