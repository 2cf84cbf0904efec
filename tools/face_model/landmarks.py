"""Where the named landmarks lie on the head."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int32, Int64

from face_model.base_mesh import BaseMesh
from tddfa.morphable.subdivision import catmull_clark

# A place on the surface is a triangle of the head refined once (corners 0 1 2 of all its quads, then corners
# 0 2 3), and the barycentric weights of its first two corners. The other half of the face is mirrored.
# Made by tools/calibrate_landmarks.py.
IBUG68: dict[int, tuple[int, float, float]] = {
    0: (11017, 0.108, 0.884),
    1: (1151, 0.422, 0.092),
    2: (10334, 0.113, 0.027),
    3: (3633, 0.536, 0.030),
    4: (6768, 0.146, 0.844),
    5: (22737, 0.102, 0.460),
    6: (19740, 0.063, 0.216),
    7: (16902, 0.831, 0.006),
    8: (25415, 0.094, 0.002),
    17: (19273, 0.033, 0.165),
    18: (12880, 0.696, 0.235),
    19: (12881, 0.067, 0.834),
    20: (19254, 0.287, 0.461),
    21: (9681, 0.397, 0.378),
    27: (12831, 0.698, 0.000),
    28: (16667, 0.203, 0.000),
    29: (14477, 0.185, 0.000),
    30: (18238, 0.576, 0.009),
    31: (190, 0.384, 0.026),
    32: (19343, 0.426, 0.145),
    33: (14513, 0.913, 0.011),
    36: (690, 0.738, 0.262),
    37: (683, 0.535, 0.465),
    38: (3755, 0.219, 0.781),
    39: (11115, 0.849, 0.151),
    40: (693, 0.671, 0.329),
    41: (11113, 0.255, 0.745),
    48: (3506, 0.000, 1.000),
    49: (6672, 0.465, 0.535),
    50: (290, 0.876, 0.124),
    51: (5047, 0.995, 0.005),
    55: (8239, 0.294, 0.706),
    56: (5058, 0.761, 0.239),
    57: (8279, 0.999, 0.001),
    60: (3529, 0.291, 0.709),
    61: (3519, 0.284, 0.716),
    62: (9898, 1.000, 0.000),
    65: (8274, 0.516, 0.484),
    66: (9909, 0.998, 0.002),
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
    0: (5047, 1.000, 0.000),
    1: (16113, 0.774, 0.000),
    2: (14490, 0.414, 0.000),
    4: (18107, 0.437, 0.000),
    5: (16106, 0.503, 0.000),
    6: (19200, 0.916, 0.000),
    7: (691, 1.000, 0.000),
    10: (3928, 0.561, 0.439),
    13: (9898, 1.000, 0.000),
    14: (9477, 1.000, 0.000),
    17: (8279, 0.994, 0.006),
    19: (16116, 0.585, 0.000),
    21: (23173, 0.629, 0.223),
    33: (6388, 0.220, 0.744),
    37: (6674, 0.646, 0.354),
    39: (283, 0.640, 0.360),
    40: (4248, 0.774, 0.226),
    45: (626, 0.062, 0.703),
    46: (9689, 0.245, 0.242),
    48: (16719, 0.249, 0.472),
    52: (132, 0.098, 0.399),
    53: (121, 0.311, 0.595),
    54: (23312, 0.818, 0.021),
    55: (22426, 0.398, 0.331),
    58: (427, 0.139, 0.110),
    61: (3506, 1.000, 0.000),
    63: (160, 0.236, 0.687),
    64: (22482, 0.241, 0.411),
    65: (6501, 0.368, 0.109),
    66: (3324, 0.005, 0.271),
    67: (3931, 0.672, 0.205),
    70: (16087, 0.462, 0.478),
    78: (3822, 0.494, 0.506),
    80: (4276, 0.592, 0.408),
    81: (9906, 0.304, 0.696),
    82: (9904, 0.504, 0.496),
    84: (6689, 0.736, 0.264),
    87: (9889, 0.841, 0.159),
    88: (9893, 0.569, 0.431),
    91: (6680, 0.481, 0.519),
    93: (16374, 0.376, 0.595),
    94: (186, 0.769, 0.231),
    95: (9894, 0.035, 0.965),
    97: (19304, 0.361, 0.209),
    98: (12945, 0.229, 0.140),
    103: (20127, 0.239, 0.698),
    105: (137, 0.416, 0.575),
    107: (16070, 0.501, 0.202),
    109: (19860, 0.068, 0.293),
    115: (7163, 0.123, 0.816),
    127: (17070, 0.178, 0.292),
    132: (16539, 0.552, 0.129),
    133: (10592, 0.296, 0.441),
    136: (16907, 0.050, 0.157),
    144: (11113, 0.562, 0.438),
    145: (4212, 0.352, 0.648),
    146: (6643, 0.338, 0.662),
    148: (845, 0.240, 0.206),
    149: (4103, 0.100, 0.046),
    150: (13575, 0.542, 0.025),
    152: (25414, 0.745, 0.000),
    153: (3761, 0.877, 0.123),
    154: (695, 0.073, 0.927),
    155: (11115, 0.633, 0.367),
    157: (3765, 0.897, 0.103),
    158: (3755, 0.114, 0.886),
    159: (3769, 0.970, 0.030),
    160: (684, 0.515, 0.485),
    161: (3751, 0.795, 0.205),
    162: (16322, 0.549, 0.009),
    163: (10262, 0.678, 0.322),
    168: (1643, 0.625, 0.363),
    172: (13660, 0.604, 0.317),
    173: (3762, 0.231, 0.769),
    176: (10529, 0.789, 0.112),
    178: (3515, 0.989, 0.011),
    181: (3495, 0.747, 0.253),
    185: (273, 0.173, 0.827),
    191: (3452, 0.489, 0.511),
    195: (2289, 0.096, 0.904),
    197: (10391, 0.686, 0.314),
    220: (13547, 0.090, 0.106),
    234: (10699, 0.033, 0.199),
    246: (3770, 0.468, 0.532),
    468: (9524, 0.783, 0.123),
    469: (6341, 0.497, 0.019),
    470: (6350, 0.834, 0.053),
    471: (6363, 0.298, 0.098),
    472: (9543, 0.382, 0.274),
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
