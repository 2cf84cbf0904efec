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
    0: (17781, 0.159, 0.009),
    1: (11298, 0.595, 0.404),
    2: (14490, 0.608, 0.005),
    4: (18107, 0.311, 0.004),
    5: (16106, 0.873, 0.000),
    6: (17575, 0.726, 0.002),
    7: (23060, 0.058, 0.518),
    10: (3928, 0.422, 0.575),
    13: (9898, 1.000, 0.000),
    14: (9477, 1.000, 0.000),
    17: (12666, 0.862, 0.137),
    19: (16116, 0.042, 0.000),
    21: (10429, 0.697, 0.199),
    33: (6388, 0.140, 0.439),
    37: (16220, 0.382, 0.400),
    39: (283, 0.919, 0.036),
    40: (4248, 0.489, 0.180),
    45: (626, 0.187, 0.413),
    46: (9689, 0.052, 0.504),
    48: (16719, 0.721, 0.032),
    52: (132, 0.141, 0.271),
    53: (121, 0.270, 0.527),
    54: (23312, 0.858, 0.056),
    55: (6496, 0.009, 0.920),
    58: (427, 0.179, 0.190),
    61: (22971, 0.053, 0.245),
    63: (160, 0.262, 0.638),
    64: (19296, 0.037, 0.917),
    65: (6501, 0.407, 0.063),
    66: (3324, 0.011, 0.243),
    67: (3931, 0.554, 0.262),
    70: (16087, 0.186, 0.286),
    78: (3823, 0.817, 0.183),
    80: (4276, 0.687, 0.313),
    81: (9906, 0.348, 0.652),
    82: (9904, 0.505, 0.495),
    84: (19433, 0.652, 0.206),
    87: (9889, 0.858, 0.142),
    88: (9893, 0.542, 0.458),
    91: (6680, 0.625, 0.363),
    93: (3630, 0.404, 0.182),
    94: (16119, 0.750, 0.000),
    95: (9894, 0.079, 0.921),
    97: (22529, 0.196, 0.412),
    98: (3395, 0.120, 0.491),
    103: (7383, 0.264, 0.185),
    105: (137, 0.407, 0.495),
    107: (16070, 0.561, 0.171),
    109: (19860, 0.135, 0.313),
    115: (804, 0.013, 0.860),
    127: (6760, 0.140, 0.843),
    132: (16539, 0.486, 0.113),
    133: (16965, 0.221, 0.342),
    136: (16907, 0.057, 0.352),
    144: (20125, 0.349, 0.651),
    145: (14300, 0.409, 0.362),
    146: (16201, 0.149, 0.731),
    148: (845, 0.218, 0.297),
    149: (16847, 0.073, 0.772),
    150: (13575, 0.864, 0.069),
    152: (19959, 0.959, 0.002),
    153: (575, 0.066, 0.832),
    154: (23080, 0.099, 0.691),
    155: (20151, 0.640, 0.335),
    157: (579, 0.886, 0.000),
    158: (3789, 0.018, 0.745),
    159: (13349, 0.740, 0.153),
    160: (11092, 0.055, 0.355),
    161: (4718, 0.149, 0.392),
    162: (16322, 0.531, 0.062),
    163: (19808, 0.950, 0.009),
    168: (1643, 0.882, 0.106),
    172: (13660, 0.590, 0.130),
    173: (6943, 0.343, 0.461),
    176: (10529, 0.664, 0.211),
    178: (3531, 0.998, 0.002),
    181: (16239, 0.641, 0.184),
    185: (3459, 0.150, 0.258),
    191: (3452, 0.337, 0.663),
    195: (13482, 0.548, 0.000),
    197: (10391, 0.365, 0.635),
    220: (13547, 0.256, 0.246),
    234: (4327, 0.027, 0.276),
    246: (7061, 0.317, 0.487),
    468: (22268, 0.578, 0.386),
    469: (19085, 0.144, 0.665),
    470: (9535, 0.348, 0.440),
    471: (22293, 0.186, 0.630),
    472: (22287, 0.654, 0.217),
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


def pack_landmark_sets(
    sets: dict[str, Points], indices: dict[str, Int64[np.ndarray, " n"]]
) -> dict[str, np.ndarray]:
    """Return few arrays for many sets: points one after the other, padded to one number of vertices.

    Args:
        sets: base vertices and weights by the name of the set.
        indices: index of each point in a larger scheme, for the sets that are part of one.
    """
    k = max(vertices.shape[1] for vertices, _ in sets.values())
    padded = [
        [np.pad(values, [(0, 0), (0, k - values.shape[1])]) for values in pair] for pair in sets.values()
    ]
    widths = [vertices.shape[1] for vertices, _ in sets.values()]
    none = np.full(1, -1)
    return {
        "landmarks.names": np.array(list(sets)),
        "landmarks.shapes": np.array(
            [(len(pair[0]), width) for pair, width in zip(sets.values(), widths, strict=True)], np.uint16
        ),
        "landmarks.vertices": np.concatenate([vertices for vertices, _ in padded]).astype(np.uint16),
        "landmarks.weights": np.concatenate([weights for _, weights in padded]).astype(np.float32),
        "landmarks.indices": np.concatenate(
            [indices.get(name, none.repeat(len(pair[0]))) for name, pair in sets.items()]
        ).astype(np.int16),
    }


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
