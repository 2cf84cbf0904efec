"""Point sets that labels use, with their mirror twins."""

import numpy as np
from jaxtyping import Float, Int

# iBUG 68: index of the point on the other side of the face.
# Source: Sagonas et al., "300 Faces in-the-Wild Challenge", ICCVW 2013 (point layout).
IBUG68_MIRROR: Int[np.ndarray, "68"] = np.array(
    [
        *range(16, -1, -1),
        *range(26, 16, -1),
        *(27, 28, 29, 30, 35, 34, 33, 32, 31),
        *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
        *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),
        *(64, 63, 62, 61, 60, 67, 66, 65),
    ]
)

# AFLW's 21 points as means of iBUG points (0-based).
# Source: the evaluation script of 3DDFA (Zhu et al., "Face Alignment in Full Pose Range", TPAMI 2017).
AFLW21_FROM_IBUG68: tuple[tuple[int, ...], ...] = (
    (17,),
    (19,),
    (21,),
    (22,),
    (24,),
    (26,),
    (36,),
    (36, 37, 38, 39, 40, 41),
    (39,),
    (42,),
    (42, 43, 44, 45, 46, 47),
    (45,),
    (2,),
    (31,),
    (30,),
    (35,),
    (14,),
    (48,),
    (60, 61, 62, 63, 64, 65, 66, 67),
    (54,),
    (8,),
)

AFLW21_MIRROR: Int[np.ndarray, "21"] = np.array(
    [5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7, 6, 16, 15, 14, 13, 12, 19, 18, 17, 20]
)


def aflw21_matrix() -> Float[np.ndarray, "21 68"]:
    """Matrix that turns 68 iBUG points into the 21 points of AFLW."""
    matrix = np.zeros((21, 68), np.float32)
    for row, members in enumerate(AFLW21_FROM_IBUG68):
        matrix[row, list(members)] = 1 / len(members)
    return matrix


def mirror_twins(mean_points: Float[np.ndarray, "n 2"]) -> Int[np.ndarray, "n"]:
    """Index of each point's mirror twin, found on a mean shape that looks straight ahead.

    Args:
        mean_points: mean of the points over many upright faces, any unit.

    Returns:
        A permutation that is its own inverse where the set is symmetric.
    """
    from scipy.optimize import linear_sum_assignment

    mirrored = mean_points.copy()
    mirrored[:, 0] = 2 * mean_points[:, 0].mean() - mirrored[:, 0]
    distance = np.linalg.norm(mirrored[:, None] - mean_points[None], axis=2)
    # Symmetric costs make the best assignment an involution.
    return linear_sum_assignment(distance + distance.T)[1]
