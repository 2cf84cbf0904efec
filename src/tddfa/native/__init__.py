"""The kernel in C, if it is there: `kernel` is the extension module, or None.

It is not there when there was no C compiler at installation, or with `TDDFA_NATIVE=0` in the environment.
Everything it does, NumPy does as well, with the same results to the last bit; each layer holds its own twins.
"""

from __future__ import annotations

import os
from types import ModuleType

WIDEST = 2
"""The vector unit that functions use which ask for one: as wide as there is. With 0 none, with 1 AVX2, with 2
AVX-512; the results are the same."""


def _load() -> ModuleType | None:
    if os.environ.get("TDDFA_NATIVE", "1") == "0":
        return None
    try:
        from tddfa.native import _kernel
    except ImportError:
        return None
    return _kernel


kernel = _load()
