"""The seam between the native kernel and its twin in NumPy: one of them, with the same results."""

from __future__ import annotations

from types import ModuleType

from tddfa import native
from tddfa.render import numpy_kernel


def _choose() -> ModuleType:
    if native.kernel is None:
        return numpy_kernel
    from tddfa.render import native_kernel

    return native_kernel


kernel = _choose()
