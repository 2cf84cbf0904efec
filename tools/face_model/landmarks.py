"""Where the 68 landmarks lie on the head."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int32

from face_model.base_mesh import BaseMesh

# Vertices of the source, iBUG order. Lids and lips are vertex rings, so those landmarks are vertices; the others are
# the starting points of the calibration in ANCHORS.
JAW = (5769, 859, 5097, 912, 895, 892, 917, 5293, 5225, 11899, 7619, 7594, 7597, 7614, 11712, 7564, 12366)
BROWS = (254, 225, 222, 205, 208, 6983, 6980, 6996, 6999, 7023)
NOSE = (134, 5063, 291, 5054, 333, 314, 343, 7077, 7096)
EYES = (21, 0, 54, 66, 47, 41, 6850, 6838, 6784, 6805, 6825, 6831)
LIPS = (429, 5351, 460, 466, 7219, 11953, 7189, 7239, 7245, 496, 490, 484)
INNER_LIPS = (435, 514, 520, 7261, 7195, 7265, 523, 518)
IBUG68 = JAW + BROWS + NOSE + EYES + LIPS + INNER_LIPS


def landmark_sets(
    mesh: BaseMesh, mean: Float64[np.ndarray, "n 3"]
) -> dict[str, tuple[Int32[np.ndarray, "n_points k"], Float64[np.ndarray, "n_points k"]]]:
    """Vertices and weights of each landmark of each named set, on the base mesh."""
    return {"ibug68": (mesh.index(np.array(IBUG68))[:, None].astype(np.int32), np.ones((68, 1)))}
