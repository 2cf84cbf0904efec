"""How the numbers of a face are fitted to an avatar, and the texts of the command line that say so."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Mapping
from dataclasses import field
from numbers import Real
from typing import Any, Literal, TypeAlias

from tddfa.dataclass import dataclass
from tddfa.errors import InputError
from tddfa.export.capture import ARKIT_SHAPES
from tddfa.types.arguments import check_count, check_flag, check_kind, shown

FaceChoice: TypeAlias = int | Literal["largest", "all"]
"""Which faces are sent: the one with this ID, the largest, or all."""

_MAX_GAIN = 10.0
_MAX_DEAD_ZONE = 0.95


@dataclass(frozen=True, slots=True)
class AvatarSettings:
    """What is done to the numbers of a face before they are sent.

    The defaults change nothing.

    Attributes:
        gains: factor of an ARKit expression, by name; 1 for names that are left out. A name may have `*`, as
            in `brow*`; of two that match an expression, the later one wins.
        dead_zones: value of an expression up to which it counts as rest, by name as in `gains`; the rest of
            its range is stretched to 0 … 1.
        head_gain: factor of the head's angles.
        head_range_deg: limit of the head's angles, degrees.
        eye_range_deg: angle of an eye at coefficient 1, degrees; None for that of the face model.
        link_blinks: whether the eyes blink together, unless they differ by more than half.
        mirrored: whether the avatar moves as a mirror image would.
        face: which faces are sent.
        hold_s: time for which a lost face keeps its last state, s.
        ease_s: time in which it then goes to rest, s.

    Raises:
        InputError: a value is out of range, or a name is no ARKit expression.
    """

    gains: Mapping[str, float] = field(default_factory=dict[str, float])
    dead_zones: Mapping[str, float] = field(default_factory=dict[str, float])
    head_gain: float = 1.0
    head_range_deg: float = 180.0
    eye_range_deg: float | None = None
    link_blinks: bool = False
    mirrored: bool = False
    face: FaceChoice = "largest"
    hold_s: float = 0.5
    ease_s: float = 1.0

    def __post_init__(self) -> None:
        for what, names in (("gains", self.gains), ("dead_zones", self.dead_zones)):
            check_kind(what, names, Mapping, "numbers by the name of an expression are needed")
            each = {name: value for pattern, value in names.items() for name in _matching(pattern)}
            object.__setattr__(self, what, each)
        limits: list[tuple[str, Any, float]] = [
            *((f"gain of {name}", value, _MAX_GAIN) for name, value in self.gains.items()),
            *((f"dead zone of {name}", value, _MAX_DEAD_ZONE) for name, value in self.dead_zones.items()),
            ("head gain", self.head_gain, _MAX_GAIN),
            ("head range", self.head_range_deg, 180.0),
            ("eye range", 0.0 if self.eye_range_deg is None else self.eye_range_deg, 90.0),
            ("hold time", self.hold_s, 3600.0),
            ("ease time", self.ease_s, 3600.0),
        ]
        for what, value, most in limits:
            if not _is_number(value) or not 0 <= value <= most:  # NaN is refused too
                given = f"{value:g}" if _is_number(value) else shown(value)
                raise InputError(f"the {what} is {given}; it takes 0 to {most:g}")
        check_flag("link_blinks", self.link_blinks)
        check_flag("mirrored", self.mirrored)
        object.__setattr__(self, "face", _face_choice(self.face))


def parse_shape_numbers(text: str) -> dict[str, float]:
    """Return what `jawOpen=1.5,brow*=0.8` or `1.2` says, by expression.

    Args:
        text: comma list of NAME=NUMBER, where a name may have `*`; a number alone is for all expressions.
            Later ones win.

    Raises:
        InputError: a name matches no ARKit expression, or what should be a number is none.
    """
    values: dict[str, float] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, separator, number = item.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise InputError(f"{item!r} is not NAME=NUMBER or a number")
        values |= dict.fromkeys(_matching(name.strip() if separator else "*"), value)
    if not values:
        raise InputError(f"{text!r} names no expression; write for example jawOpen=1.5,brow*=0.8")
    return values


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real)


def _face_choice(face: Any) -> FaceChoice:
    """Return which faces are sent."""
    choices: dict[str, FaceChoice] = {"largest": "largest", "all": "all"}
    if isinstance(face, str) and face in choices:
        return choices[face]
    try:
        check_count("face", face, least=0)
    except InputError:
        raise InputError(
            f"face={shown(face)}; it takes 'largest', 'all' or the ID of a face; IDs begin at 0"
        ) from None
    return int(face)


def _matching(pattern: str) -> list[str]:
    """Return the ARKit expressions that a pattern means."""
    if not isinstance(pattern, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"{shown(pattern)} is no name of an ARKit expression")
    names = [name for name in ARKIT_SHAPES if fnmatch.fnmatchcase(name.lower(), pattern.lower())]
    if not names:
        from difflib import get_close_matches

        near = get_close_matches(pattern, ARKIT_SHAPES, n=3, cutoff=0.0)
        raise InputError(f"no ARKit expression matches {pattern!r}; nearest: {', '.join(near)}")
    return names
