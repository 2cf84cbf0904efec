"""What one face of the protocol does: single expressions, mixtures, winks, gaze."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

GAZE_UNITS: Mapping[str, tuple[str, ...]] = {
    "gazeLeft": ("eyeLookOutLeft", "eyeLookInRight"),
    "gazeRight": ("eyeLookInLeft", "eyeLookOutRight"),
    "gazeUp": ("eyeLookUpLeft", "eyeLookUpRight"),
    "gazeDown": ("eyeLookDownLeft", "eyeLookDownRight"),
}
"""Both eyes look to the subject's left, right, up or down together: one eye alone is no human gaze."""

BASES: Mapping[str, str] = {"mouthClose": "jawOpen", "tongueOut": "jawOpen"}
"""Expressions that need another one: mouthClose closes the lips over an open jaw, and a tongue comes out
between open lips. Their movement is measured beside the other one alone, not beside the neutral face."""

# Muscles that pull against each other; a mixture has one of each.
_OPPOSITES = (
    ("eyeBlink", "eyeWide", "eyeSquint"),
    ("mouthSmile", "mouthFrown", "mouthPucker", "mouthFunnel", "mouthStretch"),
    ("jawLeft", "jawRight"),
    ("mouthLeft", "mouthRight"),
    ("browDown", "browOuterUp"),
    ("mouthClose", "tongueOut"),
    ("mouthClose", "mouthUpperUp", "mouthLowerDown"),
    ("mouthRollUpper", "mouthUpperUp", "mouthShrugUpper"),
    ("mouthRollLower", "mouthLowerDown", "mouthShrugLower", "mouthPress"),
)
_ONE_SIDED = 0.4  # part of the paired expressions that a mixture has on one side alone


def single_units(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the expressions that are shown alone, by name, each with its coefficients.

    Those that have sides are shown on the left, on the right, and on both.

    Args:
        names: expressions of the face model that move it.
    """
    plain = {name: (name,) for name in names if not name.startswith("eyeLook")}
    both = {
        _stem(name): (name, mirrored_name(name))
        for name in plain
        if name.endswith("Left") and has_twin(name) and mirrored_name(name) in plain
    }
    gaze = {unit: parts for unit, parts in GAZE_UNITS.items() if set(parts) <= set(names)}
    return {**plain, **both, **gaze}


def has_twin(name: str) -> bool:
    """Return whether an expression is one side of a pair; jawLeft and mouthLeft move all of jaw and mouth."""
    return mirrored_name(name) != name and _stem(name) not in ("jaw", "mouth")


def unit_parts(unit: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the coefficients of an expression that is shown alone."""
    return single_units(names).get(unit, (unit,))


class MixtureDeck:
    """Draws mixtures of expressions in which each expression occurs about equally often.

    Args:
        names: expressions of the face model that move it.
        rng: source of the mixtures.
    """

    def __init__(self, names: Sequence[str], rng: np.random.Generator) -> None:
        self._names = tuple(name for name in names if not name.startswith("eyeLook"))
        self._rng = rng
        self._pile: list[str] = []

    def draw(self) -> dict[str, float]:
        """Return a mixture of three to six expressions with weights of 0.25 to 1, and a direction of gaze."""
        rng = self._rng
        wanted, weights = int(rng.integers(3, 7)), dict[str, float]()
        for name in self._shuffled():
            if len({_stem(n) for n in weights}) >= wanted:
                break
            if name in weights or any(_opposed(name, other) for other in weights):
                continue
            self._pile.remove(name)
            weights[name] = float(rng.uniform(0.25, 1))
            twin = mirrored_name(name)
            if has_twin(name) and twin in self._names and rng.random() > _ONE_SIDED:
                weights[twin] = float(np.clip(weights[name] + rng.normal(0, 0.05), 0, 1))
            base = BASES.get(name)
            if base is not None:
                weights[base] = float(rng.uniform(weights[name], 1))
        return {**weights, **random_gaze(rng, float(rng.uniform(0, 0.7)))}

    def _shuffled(self) -> list[str]:
        if len(self._pile) < len(self._names) // 2:
            self._pile += [str(name) for name in self._rng.permutation(self._names)]
        return list(dict.fromkeys(self._pile))


def random_gaze(rng: np.random.Generator, strength: float) -> dict[str, float]:
    """Return the weights of a random direction of gaze.

    Args:
        rng: source of the direction.
        strength: of the larger of the two weights.
    """
    across, up = rng.uniform(-1, 1, 2)
    across, up = strength * np.array([across, up]) / max(abs(across), abs(up))
    units = {"gazeLeft": across, "gazeRight": -across, "gazeUp": up, "gazeDown": -up}
    return {part: float(w) for unit, w in units.items() if w > 0 for part in GAZE_UNITS[unit]}


def mirrored_name(name: str) -> str:
    """Return the name of an expression on the other side; its own where it has no side."""
    if name.endswith("Left"):
        return name.removesuffix("Left") + "Right"
    return name.removesuffix("Right") + "Left" if name.endswith("Right") else name


def moving_names(names: Iterable[str], reach_mm: Iterable[float]) -> tuple[str, ...]:
    """Return the expressions that move a face model at all."""
    return tuple(name for name, reach in zip(names, reach_mm, strict=True) if reach > 0.1)


def _stem(name: str) -> str:
    return name.removesuffix("Left").removesuffix("Right")


def _opposed(a: str, b: str) -> bool:
    if a == b or mirrored_name(a) == b:
        return a != b and not has_twin(a)
    return any(
        any(_is_of(a, stem) for stem in group) and any(_is_of(b, stem) for stem in group)
        for group in _OPPOSITES
    ) and _stem(a) != _stem(b)


def _is_of(name: str, stem: str) -> bool:
    return name == stem or _stem(name) == stem
