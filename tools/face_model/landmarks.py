"""Where the named landmarks lie on the head."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int32, Int64

from face_model.base_mesh import BaseMesh
from tddfa.morphable.subdivision import catmull_clark

# A place on the surface is a triangle of the head refined once (corners 0 1 2 of all its quads, then corners
# 0 2 3), and the barycentric weights of that triangle's first two corners. The other half is mirrored.
# Made by tools/calibrate_landmarks.py.
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
# The numbers that have a place so far: lips, eyes, brows, nose, face oval, irises.
MEDIAPIPE: dict[int, tuple[int, float, float]] = {
    0: (22606, 1.000, 0.000),
    1: (11298, 0.313, 0.687),
    2: (14490, 0.877, 0.000),
    4: (10183, 0.886, 0.114),
    5: (11291, 0.417, 0.583),
    6: (9645, 0.976, 0.024),
    7: (19895, 0.376, 0.000),
    10: (3928, 0.372, 0.628),
    13: (19453, 1.000, 0.000),
    14: (19466, 1.000, 0.000),
    17: (19471, 0.996, 0.000),
    19: (11301, 0.282, 0.718),
    21: (20020, 0.068, 0.484),
    33: (19163, 0.470, 0.412),
    37: (16220, 0.464, 0.000),
    39: (22602, 0.924, 0.000),
    40: (13805, 0.540, 0.000),
    45: (23103, 0.366, 0.281),
    46: (9689, 0.054, 0.689),
    48: (19905, 0.085, 0.262),
    52: (16062, 0.081, 0.412),
    53: (16052, 0.465, 0.125),
    54: (7244, 0.126, 0.808),
    55: (22426, 0.424, 0.494),
    58: (6799, 0.107, 0.419),
    61: (13064, 0.000, 0.000),
    63: (12905, 0.047, 0.117),
    64: (6552, 0.317, 0.563),
    65: (6501, 0.249, 0.073),
    66: (3324, 0.069, 0.151),
    67: (3931, 0.861, 0.098),
    70: (16087, 0.088, 0.309),
    78: (19779, 0.870, 0.000),
    80: (20207, 0.720, 0.000),
    81: (19450, 0.357, 0.000),
    82: (19449, 0.533, 0.000),
    84: (22617, 0.780, 0.000),
    87: (19461, 0.867, 0.000),
    88: (19445, 0.537, 0.000),
    91: (22607, 0.603, 0.000),
    93: (4330, 0.261, 0.661),
    94: (16119, 0.890, 0.000),
    95: (19463, 0.053, 0.000),
    97: (6599, 0.631, 0.193),
    98: (209, 0.166, 0.267),
    103: (4197, 0.253, 0.227),
    105: (22438, 0.458, 0.076),
    107: (16070, 0.472, 0.169),
    109: (19860, 0.309, 0.318),
    115: (13535, 0.011, 0.517),
    127: (14222, 0.379, 0.310),
    132: (6819, 0.835, 0.089),
    133: (13778, 0.325, 0.228),
    136: (435, 0.095, 0.876),
    144: (20125, 0.713, 0.000),
    145: (14300, 0.080, 0.000),
    146: (22583, 0.046, 0.000),
    148: (16775, 0.463, 0.495),
    149: (4103, 0.087, 0.569),
    150: (624, 0.215, 0.688),
    152: (8755, 0.586, 0.414),
    153: (16624, 0.940, 0.000),
    154: (16625, 0.137, 0.000),
    155: (20151, 0.671, 0.000),
    157: (19694, 0.938, 0.000),
    158: (22330, 0.114, 0.000),
    159: (16613, 0.829, 0.000),
    160: (19684, 0.625, 0.000),
    161: (19682, 0.337, 0.000),
    162: (6764, 0.418, 0.570),
    163: (14296, 0.378, 0.000),
    168: (12829, 0.576, 0.001),
    172: (916, 0.448, 0.200),
    173: (22337, 0.357, 0.000),
    176: (23273, 0.320, 0.359),
    178: (13079, 0.989, 0.000),
    181: (19426, 0.814, 0.000),
    185: (19390, 0.084, 0.000),
    191: (13093, 0.328, 0.000),
    195: (13482, 0.067, 0.000),
    197: (10391, 0.649, 0.351),
    220: (23105, 0.317, 0.162),
    234: (23453, 0.116, 0.699),
    246: (19701, 1.000, 0.000),
    468: (12716, 0.300, 0.169),
    469: (9534, 0.479, 0.158),
    470: (9536, 0.334, 0.029),
    471: (6363, 0.484, 0.004),
    472: (9543, 0.150, 0.430),
}
MEDIAPIPE_PAIRS = {
    7: 249,
    21: 251,
    33: 263,
    37: 267,
    39: 269,
    40: 270,
    45: 275,
    46: 276,
    48: 278,
    52: 282,
    53: 283,
    54: 284,
    55: 285,
    58: 288,
    61: 291,
    63: 293,
    64: 294,
    65: 295,
    66: 296,
    67: 297,
    70: 300,
    78: 308,
    80: 310,
    81: 311,
    82: 312,
    84: 314,
    87: 317,
    88: 318,
    91: 321,
    93: 323,
    95: 324,
    97: 326,
    98: 327,
    103: 332,
    105: 334,
    107: 336,
    109: 338,
    115: 344,
    127: 356,
    132: 361,
    133: 362,
    136: 365,
    144: 373,
    145: 374,
    146: 375,
    148: 377,
    149: 378,
    150: 379,
    153: 380,
    154: 381,
    155: 382,
    157: 384,
    158: 385,
    159: 386,
    160: 387,
    161: 388,
    162: 389,
    163: 390,
    172: 397,
    173: 398,
    176: 400,
    178: 402,
    181: 405,
    185: 409,
    191: 415,
    220: 440,
    234: 454,
    246: 466,
    468: 473,
    469: 476,
    470: 475,
    471: 474,
    472: 477,
}
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
    sets = {name: _sparse(rows[list(points)]) for name, points in chosen.items()}
    sets["mediapipe478"] = _sparse(
        _rows_on_refined(mesh, MEDIAPIPE, mediapipe_partners())[mediapipe_numbers()]
    )
    return sets


def mediapipe_numbers() -> list[int]:
    """The numbers of the points that have a place, in order."""
    return sorted({*MEDIAPIPE, *MEDIAPIPE_PAIRS.values()})


def mediapipe_partners() -> tuple[int, ...]:
    """For each number its mirror partner, as far as there is one."""
    partners = list(range(478))
    for a, b in MEDIAPIPE_PAIRS.items():
        partners[a], partners[b] = b, a
    return tuple(partners)


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
