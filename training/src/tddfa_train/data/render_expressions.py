"""Random expressions and gaze for renders: single, one-sided, mixed and resting faces."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

GAZE_DEG_PER_UNIT = (30.0, 25.0)
"""Degrees that an eyeball turns at weight 1 of eyeLookIn/Out and of eyeLookUp/Down."""

_EYES = ("eyeLook", "eyeBlink")
_WHOLE = ("jaw", "mouthLeft", "mouthRight")
# Expressions that pull one place both ways never come together.
_OPPOSED = (
    ("jawLeft", "jawRight"),
    ("mouthLeft", "mouthRight"),
    ("browDownLeft", "browOuterUpLeft"),
    ("browDownRight", "browOuterUpRight"),
    ("eyeWideLeft", "eyeSquintLeft"),
    ("eyeWideRight", "eyeSquintRight"),
    ("mouthPucker", "mouthStretchLeft"),
    ("mouthPucker", "mouthStretchRight"),
    ("mouthSmileLeft", "mouthFrownLeft"),
    ("mouthSmileRight", "mouthFrownRight"),
    ("mouthRollLower", "mouthFunnel"),
    ("mouthRollUpper", "mouthFunnel"),
)


@dataclass(frozen=True, slots=True)
class ExpressionConfig:
    """Shares of the kinds of random expressions.

    Attributes:
        resting: faces without any expression.
        single: faces with one expression, or one and its twin on the other side.
        symmetric: how often the twin of a sided expression moves as well.
        blinks: faces with lids closed, half-closed or one-sided (winks).
        winks: share of the blinks in which one eye stays open.
        gaze: faces that do not look straight ahead.
    """

    resting: float = 0.1
    single: float = 0.35
    symmetric: float = 0.55
    blinks: float = 0.22
    winks: float = 0.4
    gaze: float = 0.65


def twin_of(name: str) -> str | None:
    """Name of the same expression on the other side of the face; None for one that has no side."""
    if name.startswith(_WHOLE):
        return None
    if name.endswith("Left"):
        return name.removesuffix("Left") + "Right"
    return name.removesuffix("Right") + "Left" if name.endswith("Right") else None


def random_expression(
    movable: frozenset[str], names: tuple[str, ...], config: ExpressionConfig, rng: np.random.Generator
) -> Float32[np.ndarray, " e"]:
    """Draw the weights of a random expression.

    Args:
        movable: names of the expressions that move something.
        names: of the model's expressions, ARKit's names.
        config: shares of the kinds.
        rng: source of randomness.

    Returns:
        Weights in [0, 1] in the order of `names`.
    """
    weights = dict.fromkeys(names, 0.0)
    drawn = [name for name in names if name in movable and not name.startswith(_EYES)]
    kind = rng.random()
    if kind >= config.resting:
        single = kind < config.resting + config.single
        count = 1 if single else int(rng.integers(2, 6))
        for name in rng.choice(drawn, count, replace=False):
            weights[name] = float(rng.uniform(0.15, 1.0)) if single else float(rng.beta(1.3, 1.6))
            twin = twin_of(name)
            if twin is not None and rng.random() < config.symmetric:
                weights[twin] = float(np.clip(weights[name] * np.exp(rng.normal(0, 0.12)), 0, 1))
        if not single and rng.random() < 0.25:
            weights["jawOpen"] = max(weights["jawOpen"], float(rng.uniform(0.1, 0.9)))
        if weights["mouthClose"] > 0 and rng.random() < 0.9:
            # mouthClose closes an open jaw and hardly comes without one.
            weights["jawOpen"] = max(weights["jawOpen"], weights["mouthClose"])
        for a, b in _OPPOSED:
            if weights[a] > 0 and weights[b] > 0:
                weights[a if rng.random() < 0.5 else b] = 0.0
    _blink(weights, config, rng)
    _look(weights, config, rng)
    return np.array([weights[name] for name in names], np.float32)


def _blink(weights: dict[str, float], config: ExpressionConfig, rng: np.random.Generator) -> None:
    if rng.random() >= config.blinks:
        return
    both = float(rng.beta(2.5, 1))
    weights["eyeBlinkLeft"] = weights["eyeBlinkRight"] = both
    if rng.random() < config.winks:
        open_eye = str(rng.choice(["Left", "Right"]))
        weights[f"eyeBlink{open_eye}"] = float(rng.uniform(0, 0.25) * both)
        if rng.random() < 0.4:
            closed = "Right" if open_eye == "Left" else "Left"
            weights[f"eyeSquint{closed}"] = float(rng.uniform(0.2, 1.0))
            weights[f"cheekSquint{closed}"] = float(rng.uniform(0.0, 0.8))
    for side in ("Left", "Right"):
        weights[f"eyeWide{side}"] *= 1 - min(1.0, 3 * weights[f"eyeBlink{side}"])


def _look(weights: dict[str, float], config: ExpressionConfig, rng: np.random.Generator) -> None:
    if rng.random() >= config.gaze:
        return
    # To the subject's left and up, in units of the model's largest turns.
    left, up = np.clip(rng.normal(0, (0.5, 0.45)), -1, 1)
    vergence = abs(rng.normal(0, 0.06))
    for side, outward in (("Left", left - vergence), ("Right", -left - vergence)):
        weights[f"eyeLookOut{side}"] = float(np.clip(outward, 0, 1))
        weights[f"eyeLookIn{side}"] = float(np.clip(-outward, 0, 1))
        weights[f"eyeLookUp{side}"] = float(np.clip(up, 0, 1))
        weights[f"eyeLookDown{side}"] = float(np.clip(-up, 0, 1))
