"""Configs are dataclasses; on disk they are JSON with the same names."""

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from tddfa.deprecation import warn_renamed
from tddfa.errors import InputError

T = TypeVar("T")

_FORMER_NAMES = {"disguise": "occlusion", "first_look": "verifier", "human": "annotations", "looks": "crops"}


def from_mapping(kind: type[T], values: Mapping[str, Any], where: str = "config") -> T:
    """The dataclass with the values of a mapping; what is left out keeps its default.

    Args:
        kind: a dataclass.
        values: by field name; mappings for fields that are dataclasses, lists for tuples.
        where: what an error message calls the mapping.

    Raises:
        InputError: a name is unknown, or a field without default is missing.
    """
    fields = {field.name: field for field in dataclasses.fields(kind)}  # pyright: ignore[reportArgumentType]
    values = {_todays_name(name, fields): value for name, value in values.items()}
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise InputError(f"{where} has no option {unknown[0]!r}; there are: {', '.join(fields)}")
    hints = typing.get_type_hints(kind)
    arguments = {name: _value(hints[name], value, f"{where}.{name}") for name, value in values.items()}
    try:
        return kind(**arguments)
    except TypeError as error:
        raise InputError(f"{where} is incomplete: {error}") from None


def _todays_name(name: str, fields: Mapping[str, Any]) -> str:
    today = _FORMER_NAMES.get(name, name)
    if name in fields or today not in fields:
        return name
    warn_renamed(f"the option {name!r}", repr(today), stacklevel=4)
    return today


def _value(hint: Any, value: Any, where: str) -> Any:
    options = typing.get_args(hint)
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        inner = [option for option in options if option is not type(None)]
        return None if value is None else _value(inner[0], value, where)
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return from_mapping(typing.cast(type[Any], hint), typing.cast(Mapping[str, Any], value), where)
    if (
        typing.get_origin(hint) is dict
        and isinstance(value, Mapping)
        and dataclasses.is_dataclass(options[1])
    ):
        entries = typing.cast(Mapping[str, Any], value)
        return {key: _value(options[1], entry, f"{where}.{key}") for key, entry in entries.items()}
    if typing.get_origin(hint) is tuple and isinstance(value, list):
        items = typing.cast(list[Any], value)
        each = [options[0]] * len(items) if len(options) == 2 and options[1] is Ellipsis else options
        return tuple(_value(one, item, where) for one, item in zip(each, items, strict=False))
    return value


def read_config(kind: type[T], path: Path) -> T:
    """The config in a JSON file.

    Raises:
        InputError: the file cannot be read or does not fit.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the config {path}: {error}") from None
    return from_mapping(kind, values, str(path))


def to_json(config: Any) -> str:
    """The JSON text of a config."""
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"
