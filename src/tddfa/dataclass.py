"""`dataclass` as in the standard library, but with methods that are made when they are first called.

The standard library compiles up to six functions for every class, called or not: 0.6 to 1 ms of every start
for each of the eighty classes that one photo needs, a seventh of a cold command.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import MISSING
from itertools import count
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform

C = TypeVar("C", bound=type)

FEW = 16
"""So many values of a class are made without compiling anything, each in twice the time."""


@dataclass_transform(field_specifiers=(dataclasses.field,))
def dataclass(
    *, init: bool = True, repr: bool = True, eq: bool = True, frozen: bool = False, slots: bool = False
) -> Callable[[C], C]:
    """Return the decorator that `dataclasses.dataclass` is with the same arguments.

    What it makes is a dataclass for `fields`, `replace`, `asdict` and everything else, with the same values,
    errors and pickles. It differs in one thing: what is printed of a value that holds itself has no end.
    """

    def decorate(cls: C) -> C:
        own = dict(vars(cls))
        # A class with bases says that it is frozen, and is refused unless they are as well.
        derived = any(dataclasses.is_dataclass(base) for base in cls.__mro__[1:])
        made: Any = dataclasses.dataclass(
            init=False, repr=False, eq=False, frozen=frozen and derived, slots=slots
        )(cls)
        made.__dataclass_params__.frozen = frozen
        methods: dict[str, Any] = {}
        if init:
            methods |= _initialization(made)
        if repr:
            methods |= {"__repr__": _shown}
        if eq:
            methods |= _comparison(made, frozen)
        if frozen:
            methods |= _immutability(made, pickled=slots)
        for name, method in methods.items():
            # Python itself adds a `__hash__` of None to classes with an `__eq__`.
            if name not in own or (name == "__hash__" and own[name] is None and "__eq__" in own):
                setattr(made, name, method)
        return made

    return decorate


def _initialization(cls: Any) -> dict[str, Any]:
    """Return an `__init__` that makes the standard library's once it is called often, and the signature."""
    compiled: list[Callable[..., None]] = []
    interpret, calls = _interpreted_init(cls), count()

    def compile() -> Callable[..., None]:
        if not compiled:
            compiled.append(_compiled_init(cls))
            # Unless somebody has wrapped it in the meantime, who calls this one for ever.
            if vars(cls).get("__init__") is initialize:
                cls.__init__ = compiled[0]
        return compiled[0]

    def initialize(self: Any, /, *args: Any, **kwargs: Any) -> None:
        if compiled or next(calls) >= FEW or not interpret(self, args, kwargs):
            compile()(self, *args, **kwargs)

    class Signature:
        """The signature of the class, for `help`, where no class derived from it has another `__init__`."""

        def __get__(self, instance: object, owner: Any) -> Any:
            import inspect

            init = owner.__init__
            signature = inspect.signature(compile() if init is initialize else init)
            return signature.replace(parameters=list(signature.parameters.values())[1:])

    return {"__init__": initialize, "__signature__": Signature()}


def _interpreted_init(cls: Any) -> Callable[[Any, tuple[Any, ...], dict[str, Any]], bool]:
    """Return what does the work of `__init__` and returns True, or nothing and returns False.

    False leaves arguments to the standard library's, whose errors say what is wrong with them.
    """
    fields = dataclasses.fields(cls)
    names = [f.name for f in fields]
    optional = [f for f in fields if not (f.default is MISSING and f.default_factory is MISSING)]
    plain = all(f.init and not f.kw_only for f in fields)
    assign = object.__setattr__ if cls.__dataclass_params__.frozen else setattr
    checked = hasattr(cls, "__post_init__")

    def interpret(self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        values = dict(zip(names, args, strict=False)) | kwargs
        if not plain or len(values) != len(args) + len(kwargs):
            return False
        for field in optional:
            if field.name not in values:
                make: Any = field.default_factory
                values[field.name] = make() if field.default is MISSING else field.default
        if len(values) != len(names) or any(name not in values for name in names):
            return False
        for name, value in values.items():
            assign(self, name, value)
        if checked:
            self.__post_init__()
        return True

    return interpret


def _compiled_init(cls: Any) -> Callable[..., None]:
    """Return the `__init__` that the standard library makes for the fields of a class."""
    twin: Any = dataclasses.make_dataclass(
        cls.__qualname__,
        [(field.name, field.type, field) for field in dataclasses.fields(cls)],
        # It is called by name.
        namespace={"__post_init__": None} if hasattr(cls, "__post_init__") else {},
        repr=False,
        eq=False,
        frozen=cls.__dataclass_params__.frozen,
        slots="__slots__" in vars(cls),
    )
    return twin.__init__


def _shown(self: Any) -> str:
    values = [f"{f.name}={getattr(self, f.name)!r}" for f in dataclasses.fields(self) if f.repr]
    return f"{type(self).__qualname__}({', '.join(values)})"


def _comparison(cls: Any, frozen: bool) -> dict[str, Any]:
    fields = dataclasses.fields(cls)
    compared = _values_of([f.name for f in fields if f.compare])
    hashed = _values_of([f.name for f in fields if (f.compare if f.hash is None else f.hash)])

    def equal(self: Any, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return compared(self) == compared(other)

    def hash_of(self: Any) -> int:
        return hash(hashed(self))

    return {"__eq__": equal, "__hash__": hash_of if frozen else None}


def _values_of(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Return what reads the attributes of these names as a tuple."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: tuple(getattr(value, name) for name in names)


def _immutability(cls: Any, *, pickled: bool) -> dict[str, Any]:
    names = {f.name for f in dataclasses.fields(cls)}

    def refuse_set(self: Any, name: str, value: Any) -> None:
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        super(cls, self).__setattr__(name, value)

    def refuse_delete(self: Any, name: str) -> None:
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
        super(cls, self).__delattr__(name)

    methods: dict[str, Any] = {"__setattr__": refuse_set, "__delattr__": refuse_delete}
    # Values with slots are pickled by attribute, which these two would refuse.
    return methods | ({"__getstate__": _state, "__setstate__": _set_state} if pickled else {})


def _state(self: Any) -> list[Any]:
    return [getattr(self, f.name) for f in dataclasses.fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:
    for f, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, f.name, value)
