"""What a manifest describes → the object that does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from tddfa.errors import PackError

P = ParamSpec("P")
T = TypeVar("T")


def make_part(
    what: str,
    kinds: Mapping[str, Callable[P, T]],
    settings: Mapping[str, Any],
    *arguments: P.args,
    **options: P.kwargs,
) -> T:
    """The part of a pack that the `kind` of its settings names.

    Args:
        what: it is, for error messages.
        kinds: the table of what can be made.
        settings: of the part, from the manifest.
        arguments: for its maker.
        options: for its maker.

    Raises:
        PackError: the kind is unknown or the settings are incomplete.
    """
    kind = str(settings.get("kind"))
    if kind not in kinds:
        raise PackError(f"the pack asks for the {what} {kind!r}; known are {', '.join(kinds)}")
    try:
        return kinds[kind](*arguments, **options)
    except (KeyError, TypeError, ValueError) as error:
        raise PackError(f"the pack's {what} settings are incomplete or wrong: {error}") from None
