"""The seam between the native kernel and its twin in NumPy: one of them, with the same functions and results.

`TDDFA_NATIVE=0` in the environment forces NumPy.
"""

from __future__ import annotations

import os
from types import ModuleType

from tddfa.render import numpy_kernel


def _choose() -> ModuleType:
    if os.environ.get("TDDFA_NATIVE", "1") == "0":
        return numpy_kernel
    try:
        from tddfa.render import native_kernel
    except ImportError:  # not built: there was no C compiler
        return numpy_kernel
    return native_kernel


kernel = _choose()
