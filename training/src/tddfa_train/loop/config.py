"""Configs are dataclasses; on disk they are JSON with the same names."""

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from tddfa.deprecation import warn_renamed
from tddfa.errors import InputError
from tddfa.types.shown import shown

T = TypeVar("T")

_FORMER_NAMES = {"disguise": "occlusion", "first_look": "verifier", "human": "annotations", "looks": "crops"}


def from_mapping(kind: type[T], values: Any, where: str = "config") -> T:
    """The dataclass with the values of a mapping; what is left out keeps its default.

    Args:
        kind: a dataclass; its `RANGES`, where it has them, are the least and the most of its numbers by name.
        values: by field name; mappings for fields that are dataclasses, lists for tuples.
        where: what an error message calls the mapping.

    Raises:
        InputError: a name is unknown, a value is of another kind or out of range, or a field without default
            is missing.
    """
    if not isinstance(values, Mapping):
        raise InputError(f"{where} is {shown(values)}; an object with options is needed: {{…}}")
    fields = {field.name: field for field in dataclasses.fields(kind)}  # pyright: ignore[reportArgumentType]
    values = {_todays_name(name, fields): value for name, value in values.items()}
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise InputError(f"{where} has no option {unknown[0]!r}; there are: {', '.join(fields)}")
    hints = typing.get_type_hints(kind)
    arguments = {name: _value(hints[name], value, f"{where}.{name}") for name, value in values.items()}
    for name, (least, most) in getattr(kind, "RANGES", {}).items():
        _in_range(arguments.get(name), least, most, f"{where}.{name}", whole=hints[name] is int)
    missing = [name for name, field in fields.items() if name not in arguments and _is_needed(field)]
    if missing:
        raise InputError(f"{where} lacks the option {missing[0]!r}")
    try:
        return kind(**arguments)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where} cannot be used: {error}") from None


def _todays_name(name: str, fields: Mapping[str, Any]) -> str:
    today = _FORMER_NAMES.get(name, name)
    if name in fields or today not in fields:
        return name
    warn_renamed(f"the option {name!r}", repr(today), stacklevel=4)
    return today


def _value(hint: Any, value: Any, where: str) -> Any:
    """Return a value of JSON as a field of this type takes it."""
    options = typing.get_args(hint)
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        inner = [option for option in options if option is not type(None)]
        return None if value is None else _value(inner[0], value, where)
    if dataclasses.is_dataclass(hint):
        return from_mapping(typing.cast(type[Any], hint), value, where)
    if typing.get_origin(hint) is dict and dataclasses.is_dataclass(options[1]):
        entries = typing.cast(Mapping[str, Any], _of_kind(Mapping, value, where, "an object"))
        return {key: _value(options[1], entry, f"{where}.{key}") for key, entry in entries.items()}
    if typing.get_origin(hint) is tuple:
        items = typing.cast(list[Any], _of_kind((list, tuple), value, where, "a list"))
        each = [options[0]] * len(items) if len(options) == 2 and options[1] is Ellipsis else options
        if len(each) != len(items):
            raise InputError(f"{where} is {shown(value)}; a list of {len(each)} is needed")
        return tuple(_value(one, item, where) for one, item in zip(each, items, strict=True))
    return _plain(hint, value, where)


def _plain(hint: Any, value: Any, where: str) -> Any:
    """Return a number, a flag or a text; what has another type is checked where it is used."""
    if hint is bool:
        return _of_kind(bool, value, where, "true or false")
    if hint is str:
        return _of_kind(str, value, where, "a text")
    if hint not in (int, float):
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or (hint is int and value != int(value)):
        raise InputError(f"{where} is {shown(value)}; a {'whole ' if hint is int else ''}number is needed")
    return hint(value)


def _in_range(value: Any, least: float, most: float, where: str, *, whole: bool) -> None:
    if value is None or least <= value <= most:
        return
    needed = f"of at least {least:g}" if math.isinf(most) else f"from {least:g} to {most:g}"
    raise InputError(f"{where} is {shown(value)}; a {'whole ' if whole else ''}number {needed} is needed")


def _is_needed(field: Any) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _of_kind(kind: Any, value: Any, where: str, needed: str) -> Any:
    if not isinstance(value, kind):
        raise InputError(f"{where} is {shown(value)}; {needed} is needed")
    return value


def read_config(kind: type[T], path: Path) -> T:
    """The config in a JSON file.

    Raises:
        InputError: the file cannot be read or does not fit.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read the config {path}: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"cannot read the config {path}, which is no JSON: {error}") from None
    except RecursionError:
        raise InputError(f"cannot read the config {path}: it is nested too deeply") from None
    return from_mapping(kind, values, str(path))


def to_json(config: Any) -> str:
    """The JSON text of a config."""
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"
