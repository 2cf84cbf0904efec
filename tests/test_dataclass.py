"""Our `dataclass` makes what the standard library's makes, later."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tddfa.dataclass import FEW, dataclass

Decorator = Callable[..., Any]


def _classes(decorator: Decorator) -> dict[str, Any]:
    """Return the same classes made by either decorator."""

    @decorator(frozen=True, slots=True)
    class Plain:
        """Two fields, one with a default."""

        a: int
        b: str = "b"

    @decorator(frozen=True, slots=True)
    class Derived(Plain):
        """One more."""

        c: list[int] = field(default_factory=list)
        d: float = field(default=0.5, repr=False, compare=False)

    @decorator(frozen=True, slots=True, eq=False)
    class Same:
        a: int = 1

    @decorator(slots=True)
    class Mutable:
        a: int
        b: list[int] = field(default_factory=list)
        seen: int = field(default=7, init=False)

    @decorator(frozen=True)
    class WithDict:
        names: ClassVar[tuple[str, ...]] = ("x",)
        a: int
        only: int = field(kw_only=True, default=3)

    @decorator(frozen=True, slots=True)
    class Checked:
        a: int

        def __post_init__(self) -> None:
            if self.a < 0:
                raise ValueError("negative")
            object.__setattr__(self, "a", self.a + 1)

    @decorator(frozen=True, slots=True)
    class Own:
        a: int

        def __repr__(self) -> str:
            return "mine"

        def __eq__(self, other: object) -> bool:
            return True

    @decorator(frozen=True, slots=True, repr=False)
    class Empty:
        pass

    return {k: v for k, v in locals().items() if isinstance(v, type)}


OURS, THEIRS = _classes(dataclass), _classes(dataclasses.dataclass)
NAMES = [name for name in OURS if name != "decorator"]
ARGUMENTS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((), {}),
    ((1,), {}),
    ((-1,), {}),
    ((1, "x"), {}),
    ((1,), {"b": [2]}),
    ((1,), {"a": 2}),
    ((), {"a": 1}),
    ((), {"b": 1}),
    ((1,), {"z": 2}),
    ((1, "x", [3], 0.25), {}),
    ((1, 2, 3, 4, 5), {}),
    ((), {"a": 1, "only": 4, "d": 2.0}),
    ((2,), {"only": 4}),
    ((2,), {"seen": 4}),
]


def _outcome(make: Callable[[], Any]) -> str:
    try:
        return _without_place(repr(make()))
    except Exception as error:
        return f"{type(error).__name__}: {_without_place(str(error))}"


def _without_place(text: str) -> str:
    """Return the text without addresses, and without the function around a class."""
    return text.replace("_classes.<locals>.", "").split(" at 0x")[0]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("args", "kwargs"), ARGUMENTS)
def test_values_and_errors_are_the_same(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    for _ in range(2):  # the second time the methods may be compiled
        ours = _outcome(lambda: OURS[name](*args, **kwargs))
        assert ours == _outcome(lambda: THEIRS[name](*args, **kwargs))


@pytest.mark.parametrize("name", NAMES)
def test_classes_are_described_in_the_same_way(name: str) -> None:
    ours, theirs = OURS[name], THEIRS[name]
    assert _without_place(str(inspect.signature(ours))) == _without_place(str(inspect.signature(theirs)))
    assert [(f.name, f.type) for f in dataclasses.fields(ours)] == [
        (f.name, f.type) for f in dataclasses.fields(theirs)
    ]
    assert ours.__match_args__ == theirs.__match_args__
    assert vars(ours).get("__slots__") == vars(theirs).get("__slots__")
    assert (ours.__hash__ is None, ours.__hash__ is object.__hash__) == (
        theirs.__hash__ is None,
        theirs.__hash__ is object.__hash__,
    )


@pytest.mark.parametrize("made", [OURS, THEIRS], ids=["ours", "theirs"])
def test_values(made: dict[str, Any]) -> None:
    plain, derived, mutable = made["Plain"], made["Derived"], made["Mutable"]
    assert plain(1) == plain(1, "b") != plain(2)
    assert hash(plain(1)) == hash(plain(1, "b"))
    assert derived(1, d=1.0) == derived(1, d=2.0)
    assert derived(1) != plain(1)
    assert made["Same"]() != made["Same"]()
    value = mutable(1)
    value.a = 5
    assert value == mutable(5)
    assert mutable(1).b is not mutable(1).b
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'a'"):
        plain(1).a = 2
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'a'"):
        del plain(1).a
    with pytest.raises(dataclasses.FrozenInstanceError):
        derived(1).c = []
    assert dataclasses.replace(derived(1), c=[2]) == derived(1, c=[2])
    assert dataclasses.asdict(derived(1, c=[2])) == {"a": 1, "b": "b", "c": [2], "d": 0.5}
    match plain(3):
        case plain(a, b):
            assert (a, b) == (3, "b")


@dataclass(frozen=True, slots=True)
class Stored:
    """At the top of a module, where pickles find it."""

    a: int
    b: tuple[int, ...] = ()


def test_values_are_copied_and_pickled() -> None:
    value = Stored(1, (2, 3))
    assert pickle.loads(pickle.dumps(value)) == copy.copy(value) == copy.deepcopy(value) == value


@pytest.mark.parametrize("decorator", [dataclass, dataclasses.dataclass], ids=["ours", "theirs"])
def test_frozen_and_other_classes_do_not_mix(decorator: Decorator) -> None:
    for base, derived in ((True, False), (False, True)):
        with pytest.raises(TypeError, match="cannot inherit"):
            decorator(frozen=derived)(
                type("Derived", (_classes(decorator)["Plain" if base else "Mutable"],), {})
            )


def test_classes_derived_by_the_standard_library() -> None:
    @dataclasses.dataclass(frozen=True)
    class Theirs(Stored):
        c: int = 4

    assert repr(Theirs(1)).endswith("Theirs(a=1, b=(), c=4)")

    class Undecorated(Stored):
        def __init__(self) -> None:
            super().__init__(5)
            self.more = 1

    assert (Undecorated().a, Undecorated().more) == (5, 1)
    assert not inspect.signature(Undecorated).parameters


def test_methods_that_are_called_often_are_compiled_once_in_any_thread() -> None:
    @dataclass(frozen=True, slots=True)
    class Often:
        a: int

    interpreted = Often.__init__
    with ThreadPoolExecutor(4) as pool:
        values = list(pool.map(Often, range(4 * FEW)))
    assert [value.a for value in values] == list(range(4 * FEW))
    assert Often.__init__ is not interpreted


def test_a_wrapped_constructor_stays_wrapped() -> None:
    @dataclass(frozen=True, slots=True)
    class Wrapped:
        a: int

    calls, inner = [], Wrapped.__init__

    def wrapper(self: Any, *args: Any) -> None:
        calls.append(args)
        inner(self, *args)

    Wrapped.__init__ = wrapper  # type: ignore[method-assign]
    for k in range(2 * FEW):
        assert Wrapped(k).a == k
    assert len(calls) == 2 * FEW


def test_a_start_compiles_hardly_any_method(tmp_path: Path) -> None:
    """Each costs a tenth of a millisecond; only of the kinds of output are there more than a few values."""
    program = """
import builtins
texts, run = [], builtins.exec
def counted(code, *args):
    texts.extend([code] if isinstance(code, str) else [])
    run(code, *args)
builtins.exec = counted
import tddfa.alignment, tddfa.cli.image, tddfa.cli.image_task, tddfa.cli.video, tddfa.outputs, tddfa.tracking
names = ("__init__", "__eq__", "__repr__", "__hash__")
print(sum(f"def {name}(" in text for text in texts for name in names))
"""
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path
    ).stdout
    assert int(output) <= 2
