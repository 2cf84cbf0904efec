"""Typed values read from JSON objects: each field states its type, its limits and its meaning once."""

from __future__ import annotations

import inspect
import logging
import math
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self, TypeAlias, dataclass_transform

from tddfa.errors import PackError

log = logging.getLogger(__name__)

JsonObject: TypeAlias = Mapping[str, Any]
"""A JSON object without a fixed layout: shown to people, never acted on."""


class Reader(Protocol):
    """Turns one JSON value into the value of a field."""

    def read(self, value: object, at: str) -> Any:
        """Return the value of the field `at`, or raise a PackError that names it."""
        ...

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `read` accepts."""
        ...


class Number:
    """A finite number.

    Args:
        least: smallest value.
        most: largest value.
        above: the value is greater than this.
    """

    def __init__(
        self, least: float | None = None, most: float | None = None, *, above: float | None = None
    ) -> None:
        self._least, self._most, self._above = least, most, above

    def read(self, value: object, at: str) -> float:
        """Return the number."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise wrong(at, value, self._needed())
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        low = self._least is None or number >= self._least
        low = low and (self._above is None or number > self._above)
        if not low or not math.isfinite(number) or (self._most is not None and number > self._most):
            raise wrong(at, value, self._needed())
        return number

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema."""
        limits = {"minimum": self._least, "exclusiveMinimum": self._above, "maximum": self._most}
        return {"type": "number"} | {name: limit for name, limit in limits.items() if limit is not None}

    def _needed(self) -> str:
        low = "" if self._least is None else f" from {self._least:g}"
        high = "" if self._most is None else f" to {self._most:g}"
        return f"a number{low or ('' if self._above is None else f' above {self._above:g}')}{high}"


class Whole:
    """A whole number.

    Args:
        least: smallest value.
        most: largest value.
    """

    def __init__(self, least: int, most: int) -> None:
        self._least, self._most = least, most

    def read(self, value: object, at: str) -> int:
        """Return the number."""
        if isinstance(value, bool) or not isinstance(value, int) or not self._least <= value <= self._most:
            raise wrong(at, value, f"a whole number from {self._least} to {self._most}")
        return value

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema."""
        return {"type": "integer", "minimum": self._least, "maximum": self._most}


class Text:
    """A line of text that can be printed: no control characters, no halves of characters.

    Args:
        most: largest length, characters.
        lines: whether line breaks and tabs may stand in it.
    """

    def __init__(self, most: int = 1000, *, lines: bool = False) -> None:
        self._most, self._lines = most, lines

    def read(self, value: object, at: str) -> str:
        """Return the text."""
        if not isinstance(value, str):
            raise wrong(at, value, "text")
        if len(value) > self._most:
            raise wrong(at, value, f"text of up to {self._most} characters")
        plain = value.translate({10: " ", 9: " "}) if self._lines else value
        if not plain.isprintable():
            raise wrong(at, value, "text without control characters")
        return value

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema; it cannot say which characters are printable."""
        return {"type": "string", "maxLength": self._most}


class Choice:
    """One of some texts.

    Args:
        choices: the texts.
    """

    def __init__(self, *choices: str) -> None:
        self._choices = choices

    def read(self, value: object, at: str) -> str:
        """Return the text."""
        if not isinstance(value, str) or value not in self._choices:
            raise wrong(at, value, f"one of {', '.join(self._choices)}")
        return value

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema."""
        return {"enum": list(self._choices)}


class Row:
    """A list of a fixed length.

    Args:
        items: what each item has to be.
    """

    def __init__(self, *items: Reader) -> None:
        self._items = items

    def read(self, value: object, at: str) -> tuple[Any, ...]:
        """Return the items."""
        if not isinstance(value, list | tuple) or len(value) != len(self._items):
            raise wrong(at, value, f"a list of {len(self._items)}")
        pairs = zip(self._items, value, strict=True)
        return tuple(item.read(v, f"{at}[{k}]") for k, (item, v) in enumerate(pairs))

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema."""
        items = [item.schema() for item in self._items]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}


class Table:
    """An object with any names, whose values are of one type.

    Args:
        names: what a name has to be.
        values: what a value has to be.
    """

    def __init__(self, names: Reader, values: Reader) -> None:
        self._names, self._values = names, values

    def read(self, value: object, at: str) -> dict[str, Any]:
        """Return the values by name."""
        if not isinstance(value, Mapping):
            raise wrong(at, value, "an object")
        return {
            self._names.read(name, f"a name in {at}"): self._values.read(item, f"{at}.{name}")
            for name, item in value.items()
        }

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema."""
        names = self._names.schema()
        return {"type": "object", "propertyNames": names, "additionalProperties": self._values.schema()}


class Free:
    """An object without a fixed layout."""

    def read(self, value: object, at: str) -> JsonObject:
        """Return the object."""
        if not isinstance(value, Mapping):
            raise wrong(at, value, "an object")
        return value

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema."""
        return {"type": "object"}


class OrNull:
    """A value that may be null.

    Args:
        reader: what it has to be otherwise.
    """

    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    def read(self, value: object, at: str) -> Any:
        """Return the value or None."""
        return None if value is None else self.reader.read(value, at)

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema."""
        return {"anyOf": [self.reader.schema(), {"type": "null"}]}


class OneOf:
    """An object whose `kind` says which spec it is.

    Args:
        specs: by kind.
        old_kinds: kinds that were renamed → their names now.
    """

    def __init__(self, specs: Mapping[str, type[Spec]], old_kinds: Mapping[str, str]) -> None:
        self._specs, self._old_kinds = specs, old_kinds

    def read(self, value: object, at: str) -> Spec:
        """Return the spec."""
        if isinstance(value, Spec):
            return value
        if not isinstance(value, Mapping):
            raise wrong(at, value, "an object")
        if "kind" not in value:
            raise PackError(f"{at}.kind is missing")
        kind: object = value["kind"]
        name = self._old_kinds.get(kind, kind) if isinstance(kind, str) else ""
        if name not in self._specs:
            raise wrong(f"{at}.kind", kind, f"one of {', '.join(self._specs)}")
        return self._specs[name].read(value, at)

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema."""
        return {"oneOf": [spec.schema() for spec in self._specs.values()]}


_REQUIRED: Any = object()


class Setting:
    """A field of a spec, as its class has it; instances have the value.

    Args:
        reader: how it is read.
        default: its value when it is not given.
    """

    def __init__(self, reader: Reader, default: Any) -> None:
        self.reader, self.default = reader, default

    @property
    def required(self) -> bool:
        """Whether it has to be given."""
        return self.default is _REQUIRED


def setting(reader: Reader, *, default: Any = _REQUIRED) -> Any:
    """Declare a field of a spec.

    Args:
        reader: how it is read, a reader or a spec.
        default: its value when it is not given; without one, it has to be.
    """
    return Setting(reader, default)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(setting,))
class Spec:
    """Base of the immutable values that JSON objects are read into.

    Like a frozen dataclass whose fields are checked when it is made. (Two dozen dataclasses would take ten
    milliseconds of every start.)

    Raises:
        PackError: a field is missing, unknown or wrong.
    """

    kind: ClassVar[str | None] = None
    """Value of the field `kind` that names this spec, where several are possible."""

    _settings: ClassVar[dict[str, Setting]] = {}

    def __init_subclass__(cls) -> None:
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Setting)}
        cls._settings = {**cls._settings, **own}
        for name in own:
            delattr(cls, name)

    def __init__(self, **values: Any) -> None:
        unknown = [name for name in values if name not in self._settings]
        if unknown:
            raise PackError(f"{type(self).__name__} has no field {unknown[0]!r}")
        vars(self).update(self._checked(values, ""))

    @classmethod
    def read(cls, value: object, at: str) -> Self:
        """Return the spec in a JSON object.

        Args:
            value: a JSON object; a spec is returned as it is.
            at: where the object stands, for error messages.

        Raises:
            PackError: a field is missing or wrong; the message names it.
        """
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise wrong(at, value, "an object")
        given = cls._renamed(dict(value), at)
        spec = cls.__new__(cls)
        vars(spec).update(cls._checked(given, f"{at}."))
        unknown = [n for n in given if n not in cls._settings and (n != "kind" or cls.kind is None)]
        if unknown:
            known = ", ".join(cls._settings)
            log.warning("%s.%s is not known and has no effect; known are %s", at, shown(unknown[0]), known)
        return spec

    @classmethod
    def _renamed(cls, given: dict[str, Any], at: str) -> dict[str, Any]:
        """Give fields of older schemas their names and values of today."""
        return given

    @classmethod
    def _checked(cls, given: Mapping[str, Any], prefix: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, field in cls._settings.items():
            if name in given:
                values[name] = field.reader.read(given[name], prefix + name)
            elif field.required:
                raise PackError(f"{prefix}{name} is missing")
            else:
                values[name] = field.default
        return values

    @classmethod
    def settings(cls) -> Mapping[str, Setting]:
        """Return the fields by name."""
        return cls._settings

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the objects that `to_object` makes."""
        about = described(cls)
        properties = {name: field.reader.schema() | about[name] for name, field in cls._settings.items()}
        required = [name for name, field in cls._settings.items() if field.required]
        if cls.kind is not None:
            properties, required = {"kind": {"const": cls.kind}, **properties}, ["kind", *required]
        title = (cls.__doc__ or "").partition("\n")[0]
        return {"type": "object", "title": title, "properties": properties, "required": required}

    def to_object(self) -> dict[str, Any]:
        """Return the JSON object of this spec; fields that are None are left out."""
        kind = {} if self.kind is None else {"kind": self.kind}
        return kind | {name: plain(value) for name, value in vars(self).items() if value is not None}

    def replaced(self, **changes: Any) -> Self:
        """Return the spec with some fields changed."""
        return type(self)(**{**vars(self), **changes})

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed; use replaced({name}=…)")

    def __eq__(self, other: object) -> bool:
        return vars(self) == vars(other) if type(self) is type(other) else NotImplemented

    __hash__ = None  # pyright: ignore[reportAssignmentType]  # some fields are tables

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{n}={v!r}' for n, v in vars(self).items())})"


def wrong(at: str, value: object, needed: str) -> PackError:
    """Return the error for a field with an unusable value."""
    return PackError(f"{at} is {shown(value)}; {needed} is needed")


def shown(value: object) -> str:
    """Return a value as a message shows it: short, on one line, in ASCII."""
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, bool):
        return str(value).lower()
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def plain(value: Any) -> Any:
    """Return a value as `json.dumps` takes it."""
    if isinstance(value, Spec):
        return value.to_object()
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def described(documented: type) -> dict[str, dict[str, str]]:
    """Return what the docstrings of a class and its bases say of each attribute, for a JSON Schema."""
    found: dict[str, dict[str, str]] = {}
    for base in reversed(documented.__mro__):
        name = ""
        for line in inspect.cleandoc(base.__doc__ or "").partition("Attributes:\n")[2].splitlines():
            text = line.strip()
            if line.startswith(" " * 8) and name:
                found[name]["description"] += f" {text}"
            elif line.startswith(" " * 4):
                name, _, text = text.partition(": ")
                found[name] = {"description": text}
            else:
                name = ""
    return found
