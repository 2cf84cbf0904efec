"""Old names that work for one more release."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any


def warn_renamed(old: str, new: str, *, stacklevel: int = 3) -> None:
    """Warn the caller's caller that `old` has become `new`."""
    warnings.warn(
        f"{old} is deprecated and goes with the next release; use {new}", DeprecationWarning, stacklevel
    )


def renamed_names(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a module's `__getattr__` that finds renamed objects under their old names.

    Args:
        module: name of the module that had the old names.
        names: old name → `module:name` of today.
    """

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        where, _, today = names[name].partition(":")
        warn_renamed(f"{module}.{name}", f"{where}.{today}")
        return getattr(importlib.import_module(where), today)

    return find
