"""Named parts of the head, from vertex rings and from what the source's targets move."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64

from face_model.base_mesh import BaseMesh
from face_model.eyelids import MARGIN, eye_rings
from face_model.identity import TARGETS
from face_model.source import Source


def build_regions(
    source: Source, mesh: BaseMesh, vertices: Float64[np.ndarray, "n 3"]
) -> dict[str, Bool[np.ndarray, " n"]]:
    """Masks of the base vertices by region name.

    Args:
        source: the source files.
        mesh: the head mesh.
        vertices: positions of its vertices in the source, mm.
    """
    n = len(vertices)

    def moved(*paths: str, share: float) -> Bool[np.ndarray, " n"]:
        mask = np.zeros(n, bool)
        for path in paths:
            distance = np.linalg.norm(
                source.target(f"{TARGETS}/{path}.target.gz")[mesh.source_vertex], axis=1
            )
            mask |= distance > share * distance.max()
        return mask & ~mesh.eyeball

    regions: dict[str, np.ndarray] = {}
    for side in ("left", "right"):
        regions[f"{side}_eyelid"] = np.zeros(n, bool)
        regions[f"{side}_eyelid"][eye_rings(mesh, side, MARGIN + 4)] = True
    regions["lips"] = moved("mouth/mouth-scale-vert-incr", share=0.5)
    regions["nose"] = moved("nose/nose-scale-horiz-incr", "nose/nose-scale-depth-incr", share=0.35)
    regions["brows"] = moved("eyebrows/eyebrows-trans-up", share=0.6)
    regions["ears"] = moved("ears/l-ear-trans-up", "ears/r-ear-trans-up", share=0.5)
    regions["eyeballs"] = mesh.eyeball
    regions["cheeks"] = moved("cheek/l-cheek-volume-incr", "cheek/r-cheek-volume-incr", share=0.4)
    regions["forehead"] = moved("forehead/forehead-trans-forward", share=0.5)
    return regions
