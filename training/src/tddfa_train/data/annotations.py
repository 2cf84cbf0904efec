"""Faces moved towards the 21 points that people marked in AFLW.

People and a face model mean different places by one name, and the same place in any pose. So every point has
an offset that is fixed in the frame of the head, learned from near-frontal faces; what remains of the
difference is an error of place, pose or shape, and as much of it is taken back as marks by hand can tell.

But marks slip with the view: on a profile the tip of the nose is where the outline is farthest out. What all
faces of one pose share as a shift in the image is therefore no error of theirs, and stays.
"""

import numpy as np
from jaxtyping import Bool, Float

from tddfa_train.data.points import AFLW21_MIRROR, aflw21_matrix

_NEAR_FRONTAL_DEG = 50.0
_LEAST_POINTS = 5
_YAW_STEP_DEG = 15.0
_N_SHAPES = 10
# How wrong a face may be (one sigma): place and size as shares of its size, turns in radians, coefficients.
_PLACE, _SIZE, _ROLL, _TURN, _SHAPE = 0.012, 0.015, 0.03, 0.06, 0.4
_LEAST_NOD = 0.15  # turns about the image's x axis, in profiles: times as much
_PROFILE = 1.7  # beyond 60 degrees of yaw, times as much
_LEAST_SIGMA = 0.012  # of a marked point, share of the face's size


def towards_annotations(
    points: Float[np.ndarray, "n p 3"],
    cameras: Float[np.ndarray, "n 3 4"],
    marked: Float[np.ndarray, "n 21 2"],
    basis: Float[np.ndarray, "p 3 k"],
) -> tuple[Float[np.ndarray, "n p 3"], Float[np.ndarray, " n"]]:
    """The points, moved.

    Args:
        points: of faces, px of the image; the first 68 are the iBUG landmarks.
        cameras: image from model.
        marked: by people, px; NaN where they saw nothing.
        basis: how the points move with identity coefficients, model frame.

    Returns:
        The points, and by how much those of each face moved, as a share of its size (NaN: too few marks).
    """
    select = aflw21_matrix().astype(np.float64)
    size = np.sqrt(np.prod(np.ptp(points[:, :68, :2], axis=1), axis=1))
    scale = np.cbrt(np.linalg.det(cameras[:, :, :3]))
    rotation = cameras[:, :, :3] / scale[:, None, None]
    side = np.where(rotation[:, 0, 2] < 0, -1.0, 1.0)
    yaw = np.degrees(np.arcsin(np.clip(np.abs(rotation[:, 0, 2]), 0, 1)))
    differences = (marked - np.einsum("ij,njk->nik", select, points[:, :68, :2])) / size[:, None, None]
    offsets, sigma = head_offsets(differences, rotation, yaw < _NEAR_FRONTAL_DEG)
    expected = differences - np.einsum("nij,pj->npi", rotation[:, :2], offsets)
    expected -= _common_shift(expected, yaw, side)[:, None]
    moved = points.copy()
    share = np.full(len(points), np.nan)
    for k in range(len(points)):
        seen = np.isfinite(expected[k]).all(1)
        if seen.sum() < _LEAST_POINTS:
            continue
        motions = _motions(points[k], size[k], scale[k] * np.einsum("ij,pjk->pik", rotation[k], basis))
        prior = np.array([_PLACE, _PLACE, _SIZE, _ROLL, _TURN, _TURN, *[_SHAPE] * _N_SHAPES])
        prior *= _PROFILE if yaw[k] > 60 else 1.0
        # A profile shows one side: that it goes down and the other one up, nobody has seen.
        prior[5] *= max(np.cos(np.deg2rad(yaw[k])), _LEAST_NOD)
        step = _robust_step(
            np.einsum("ij,jkm->ikm", select, motions[:68, :2])[seen] / size[k],
            expected[k][seen],
            sigma[seen],
            prior,
        )
        change = motions @ step
        moved[k] += change
        share[k] = np.linalg.norm(change[:68, :2], axis=1).mean() / size[k]
    return moved, share


def head_offsets(
    differences: Float[np.ndarray, "n 21 2"],
    rotation: Float[np.ndarray, "n 3 3"],
    trusted: Bool[np.ndarray, " n"],
) -> tuple[Float[np.ndarray, "21 3"], Float[np.ndarray, " 21"]]:
    """Where people mark each point, seen from where the model has it, and how much they scatter.

    Args:
        differences: marked minus modelled, shares of the face's size; NaN: not marked.
        rotation: image from head.
        trusted: faces to learn from.

    Returns:
        Offsets in the frame of the head, mirror-symmetric, and sigmas; both in shares of the face's size.
    """
    flip = np.array([-1.0, 1.0, 1.0])
    # A mirrored face is another face.
    both = np.concatenate([differences, differences[:, AFLW21_MIRROR] * flip[:2]])
    turned = np.concatenate([rotation, flip[:, None] * rotation * flip])
    use = np.concatenate([trusted, trusted])
    offsets, sigma = np.zeros((21, 3)), np.full(21, _LEAST_SIGMA)
    for k in range(21):
        known = use & np.isfinite(both[:, k]).all(1)
        if known.sum() < 60:
            continue
        rows, truth = turned[known][:, :2], both[known, k]
        weight = np.ones(len(rows))
        error = np.zeros(len(rows))
        for _ in range(6):
            normal = np.einsum("n,nij,nik->jk", weight, rows, rows)
            offsets[k] = np.linalg.solve(
                normal + 1e-3 * len(rows) * np.eye(3), np.einsum("n,nij,ni->j", weight, rows, truth)
            )
            error = np.linalg.norm(truth - rows @ offsets[k], axis=1)
            weight = 1 / np.maximum(error / np.median(error), 1)
        sigma[k] = max(float(np.median(error)) / 1.18, _LEAST_SIGMA)
    return offsets, sigma


def _common_shift(
    expected: Float[np.ndarray, "n 21 2"], yaw_deg: Float[np.ndarray, " n"], side: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "n 2"]:
    """What faces of about the same yaw are shifted by, in the image; mirrored faces count as one pose."""
    seen = np.isfinite(expected)
    shift = np.where(seen, expected, 0).sum(1) / np.maximum(seen.sum(1), 1)
    shift[:, 0] *= side
    bins = (yaw_deg // _YAW_STEP_DEG).astype(int)
    common = np.zeros_like(shift)
    for k in np.unique(bins):
        members = (bins == k) & (seen[..., 0].sum(1) >= _LEAST_POINTS)
        if members.any():
            common[bins == k] = np.median(shift[members], axis=0)
    common[:, 0] *= side
    return common


def _motions(
    points: Float[np.ndarray, "p 3"], size: float, shapes: Float[np.ndarray, "p 3 k"]
) -> Float[np.ndarray, "p 3 m"]:
    """How the points move with place, size, turns and the first shapes."""
    arms = points - points[:68].mean(0)
    x, y, z = arms.T
    none = np.zeros_like(x)
    one = np.full_like(x, size)
    columns = [
        (one, none, none),
        (none, one, none),
        (x, y, z),
        (-y, x, none),
        (z, none, -x),
        (none, -z, y),
    ]
    rigid = np.stack([np.stack(column, 1) for column in columns], 2)
    return np.concatenate([rigid, shapes[..., :_N_SHAPES]], 2)


def _robust_step(
    motions: Float[np.ndarray, "s 2 m"],
    wanted: Float[np.ndarray, "s 2"],
    sigma: Float[np.ndarray, " s"],
    prior: Float[np.ndarray, " m"],
) -> Float[np.ndarray, " m"]:
    """The most likely motion; marks far from where any motion leads count less."""
    weight = np.ones(len(wanted))
    step = np.zeros(motions.shape[2])
    for _ in range(5):
        certain = weight / sigma**2
        normal = np.einsum("s,sim,sin->mn", certain, motions, motions) + np.diag(prior**-2)
        step = np.linalg.solve(normal, np.einsum("s,sim,si->m", certain, motions, wanted))
        error = np.linalg.norm(wanted - motions @ step, axis=1) / sigma
        weight = 1 / np.maximum(error / 1.5, 1)
    return step
