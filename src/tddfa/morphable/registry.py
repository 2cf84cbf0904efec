"""Where models come from: pickles hold that in place of the arrays, and a process holds each model once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

_SOURCES: WeakKeyDictionary[Any, tuple[Callable[..., Any], tuple[Any, ...]]] = WeakKeyDictionary()


def remember(model: Any, get: Callable[..., Any], *arguments: Any) -> Any:
    """Remember that `get(*arguments)` returns this model, and return it.

    Args:
        model: the model.
        get: function of a module that returns the same object each time in one process.
        arguments: values that can be pickled.
    """
    _SOURCES[model] = (get, arguments)
    return model


def source_of(model: Any) -> tuple[Callable[..., Any], tuple[Any, ...]] | None:
    """Return the function and the arguments that return this model; None for a model of one's own."""
    return _SOURCES.get(model)
