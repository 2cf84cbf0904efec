"""The kernel in C: `kernel` is the extension module, or None.

It is None when there was no C compiler at installation, or with `TDDFA_NATIVE=0` in the environment. NumPy
does everything that it does, with the same results to the last bit; each layer holds its own twins. Crops of
images are OpenCV's without it, in which versions and processors differ by a level here and there.
"""

from __future__ import annotations

import os
from types import ModuleType

WIDEST = 2
"""Widest vector unit for functions that take one: 0 for none, 1 for AVX2, 2 for AVX-512, where the machine
has it. The results are the same."""


def _load() -> ModuleType | None:
    if os.environ.get("TDDFA_NATIVE", "1") == "0":
        return None
    try:
        from tddfa.native import _kernel
    except ImportError:
        return None
    return _kernel


kernel = _load()
