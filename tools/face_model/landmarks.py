"""Where the named landmarks lie on the head."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int32, Int64

from face_model.base_mesh import BaseMesh
from tddfa.morphable.subdivision import catmull_clark

# A place on the surface is a triangle of the head refined once (corners 0 1 2 of all its quads, then corners 0 2 3),
# and the barycentric weights of that triangle's first two corners. Landmarks of the left half, and of the midline,
# are mirrored. Made by tools/calibrate_landmarks.py.
IBUG68: dict[int, tuple[int, float, float]] = {
    0: (14203, 0.109, 0.061),
    1: (13895, 0.438, 0.554),
    2: (23078, 0.088, 0.857),
    3: (3633, 0.578, 0.006),
    4: (19481, 0.116, 0.030),
    5: (22737, 0.071, 0.447),
    6: (3810, 0.003, 0.685),
    7: (7343, 0.687, 0.310),
    8: (20012, 0.087, 0.000),
    17: (3343, 0.067, 0.686),
    18: (136, 0.770, 0.000),
    19: (12881, 0.124, 0.820),
    20: (19254, 0.220, 0.485),
    21: (9681, 0.330, 0.478),
    27: (12831, 0.870, 0.000),
    28: (16667, 0.302, 0.000),
    29: (176, 0.048, 0.952),
    30: (2308, 0.072, 0.928),
    31: (16120, 0.039, 0.474),
    32: (19343, 0.424, 0.488),
    33: (212, 0.646, 0.354),
    36: (19698, 0.823, 0.000),
    37: (19699, 0.496, 0.000),
    38: (22330, 0.252, 0.000),
    39: (20151, 0.734, 0.000),
    40: (19693, 0.712, 0.000),
    41: (20125, 0.220, 0.000),
    48: (19385, 1.000, 0.000),
    49: (16213, 0.414, 0.000),
    50: (22604, 0.905, 0.000),
    51: (9862, 1.000, 0.000),
    55: (24168, 0.301, 0.000),
    56: (20990, 0.745, 0.000),
    57: (16286, 1.000, 0.000),
    60: (19459, 0.224, 0.000),
    61: (13090, 0.167, 0.000),
    62: (22642, 1.000, 0.000),
    65: (17818, 0.502, 0.000),
    66: (6722, 0.998, 0.002),
}
IBUG68_MIRROR = (
    *(16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
    *(26, 25, 24, 23, 22, 21, 20, 19, 18, 17),
    *(27, 28, 29, 30, 35, 34, 33, 32, 31),
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),
    *(64, 63, 62, 61, 60, 67, 66, 65),
)
CONTOURS = {
    "jaw": range(17),
    "right_brow": range(17, 22),
    "left_brow": range(22, 27),
    "nose_bridge": range(27, 31),
    "nose_base": range(31, 36),
    "right_eye": range(36, 42),
    "left_eye": range(42, 48),
    "outer_lips": range(48, 60),
    "inner_lips": range(60, 68),
}

Points = tuple[Int32[np.ndarray, "n_points k"], Float64[np.ndarray, "n_points k"]]


def landmark_sets(mesh: BaseMesh) -> dict[str, Points]:
    """Base vertices and weights of each landmark, by the name of its set."""
    rows = _rows_on_refined(mesh, IBUG68, IBUG68_MIRROR)
    chosen = {"ibug68": range(68), "ibug51": range(17, 68), **CONTOURS}
    return {name: _sparse(rows[list(points)]) for name, points in chosen.items()}


def _rows_on_refined(
    mesh: BaseMesh, places: dict[int, tuple[int, float, float]], partners: tuple[int, ...]
) -> Float64[np.ndarray, "n_points n_base"]:
    """Weights of all base vertices for places on the head refined once, the missing ones by mirroring."""
    n_base = len(mesh.mirror)
    refine = catmull_clark(mesh.quads, n_base)
    triangles = np.concatenate([refine.quads[:, [0, 1, 2]], refine.quads[:, [0, 2, 3]]])
    operator = refine(np.eye(n_base, dtype=np.float32))
    rows = np.zeros((len(partners), n_base))
    for point, (triangle, a, b) in places.items():
        row = np.array([a, b, 1 - a - b]) @ operator[triangles[triangle]]
        mirrored = np.zeros_like(row)
        mirrored[mesh.mirror] = row
        partner = partners[point]
        rows[point] = (row + mirrored) / 2 if partner == point else row
        rows[partner] = (row + mirrored) / 2 if partner == point else mirrored
    return rows


def _sparse(rows: Float64[np.ndarray, "n_points n_base"]) -> Points:
    """The columns that are not zero, padded with weight 0."""
    k = int((rows != 0).sum(axis=1).max())
    vertices: Int64[np.ndarray, "n_points k"] = np.argsort(rows == 0, axis=1, kind="stable")[:, :k]
    return vertices.astype(np.int32), np.take_along_axis(rows, vertices, axis=1)
