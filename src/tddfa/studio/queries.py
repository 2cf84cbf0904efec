"""The query of a request for outputs: kinds, and the options that `tddfa image` has for them."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Collection, Sequence
from typing import Any

from starlette.datastructures import QueryParams

from tddfa.alignment.inputs import MIN_SEARCH_SIZE
from tddfa.dataclass import dataclass
from tddfa.kinds import KINDS, OPTIONS, TABLES, Kind, OutputOptions, names
from tddfa.studio.problems import RequestError

_FLAGS = {"": True, "1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_STEM = "photo"
_NO_STEM = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]|^[. ]|[. ]$')  # what some system takes in no name
COUNTS = {"max_faces": range(1, 10_001), "search_size": range(MIN_SEARCH_SIZE, 20_001)}
"""Parameters of the search for faces, and their values."""

OUTPUTS = ("kind", "stem", *OPTIONS)
"""Parameters of outputs."""


def available_kinds() -> tuple[Kind, ...]:
    """Return the kinds of output of images that this installation can make."""
    tables = [kind for kind in TABLES if kind.files]
    if importlib.util.find_spec("pyarrow") is None:
        tables = [kind for kind in tables if kind.name != "parquet"]
    return (*KINDS, *tables)


@dataclass(frozen=True, slots=True)
class Query:
    """What a request asks for.

    Attributes:
        kinds: kinds of output, in order.
        options: how they are encoded.
        stem: beginning of the names of the files.
        max_faces: only so many, the largest; all when None.
        search_size: longer side at which the image is searched, px; as the aligner chooses when None.
    """

    kinds: tuple[Kind, ...]
    options: OutputOptions
    stem: str = _STEM
    max_faces: int | None = None
    search_size: int | None = None

    @classmethod
    def parse(cls, query: QueryParams, known: Collection[str] = (*OUTPUTS, *COUNTS)) -> Query:
        """Return what a query string says.

        Args:
            query: the query string.
            known: names of the parameters that the request has.

        Raises:
            RequestError: a name is unknown or given twice, a value impossible, or an option goes with none of
                the kinds.
        """
        for name in query:
            if name not in known and name != "token":
                raise RequestError(400, f"no parameter {name[:50]!r}; there are {', '.join(sorted(known))}")
            if name != "kind" and len(query.getlist(name)) > 1:
                raise RequestError(400, f"{name} is given more than once; give it once")
        kinds = _kinds(query.getlist("kind") or ["json"])
        options = OutputOptions(**{name: _option(name, query[name]) for name in OPTIONS if name in query})
        for name in OPTIONS:
            if name in query and not any(name in kind.options for kind in kinds):
                takers = names(kind for kind in KINDS if name in kind.options)
                raise RequestError(
                    400, f"{name} applies to {', '.join(takers)}; asked for are {_listed(kinds)}"
                )
        if options.background == "transparent" and options.format != "png":
            raise RequestError(400, "background=transparent needs format=png: JPEG knows no transparency")
        stem = query.get("stem", _STEM)
        if not 0 < len(stem) <= 80 or _NO_STEM.search(stem):
            raise RequestError(
                400, f"stem is {stem[:80]!r}; give 1 to 80 characters that a file name may have"
            )
        counts = {name: _count(name, query[name]) for name in COUNTS if name in query}
        return cls(kinds, options, stem, **counts)


def _kinds(given: Sequence[str]) -> tuple[Kind, ...]:
    by_name = {kind.name: kind for kind in available_kinds()}
    wanted = [name.strip() for text in given for name in text.split(",") if name.strip()]
    if "all" in wanted:
        return tuple(by_name.values())
    unknown = [name for name in wanted if name not in by_name]
    if unknown or not wanted:
        what = unknown[0][:50] if unknown else ""
        raise RequestError(400, f"{what!r} is no kind of output; choose from {', '.join(by_name)}, all")
    return tuple(by_name[name] for name in dict.fromkeys(wanted))


def _option(name: str, text: str) -> Any:
    choices = OPTIONS[name].choices
    if choices:
        if text not in choices:
            raise RequestError(400, f"{name} is {text[:50]!r}; choose from {', '.join(choices)}")
        return text
    if text.lower() not in _FLAGS:
        raise RequestError(400, f"{name} is {text[:50]!r}; it is true or false")
    return _FLAGS[text.lower()]


def _count(name: str, text: str) -> int:
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
    values = COUNTS[name]
    if number not in values:
        raise RequestError(
            400, f"{name} is {text[:50]!r}; give a whole number from {values[0]} to {values[-1]}"
        )
    return number


def _listed(kinds: Sequence[Kind]) -> str:
    return ", ".join(kind.name for kind in kinds)
