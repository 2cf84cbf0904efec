"""Names of a package that are loaded when they are first used.

A package that brings its modules along costs every program all of them: a third of the start of a command for
one photo was the import of drawings and formats that it did not ask for.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any


def lazy_names(
    package: str, modules: Mapping[str, str], otherwise: Callable[[str], Any] | None = None
) -> Callable[[str], Any]:
    """Return a package's `__getattr__` that imports a name from its module on first use.

    Args:
        package: name of the package; its `__init__.pyi` has the same names for type checkers.
        modules: module → the names in it, separated by spaces.
        otherwise: a `__getattr__` for other names.
    """
    where = {name: module for module, names in modules.items() for name in names.split()}

    def find(name: str) -> Any:
        if name in where:
            value = getattr(importlib.import_module(where[name]), name)
            setattr(sys.modules[package], name, value)
            return value
        if otherwise is not None:
            return otherwise(name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return find


class LazyFunctions(MutableMapping[str, Callable[..., Any]]):
    """Name → function, each imported when it is first looked up.

    Args:
        references: name → "module:function".
    """

    def __init__(self, references: Mapping[str, str]) -> None:
        self._entries: dict[str, str | Callable[..., Any]] = dict(references)

    def __getitem__(self, name: str) -> Callable[..., Any]:
        entry = self._entries[name]
        if isinstance(entry, str):
            module, _, function = entry.partition(":")
            entry = self._entries[name] = getattr(importlib.import_module(module), function)
        return entry

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __setitem__(self, name: str, function: Callable[..., Any]) -> None:
        self._entries[name] = function

    def __delitem__(self, name: str) -> None:
        del self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"LazyFunctions({self._entries!r})"
