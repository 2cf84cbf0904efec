"""Named parts of the head, from vertex rings, landmarks and what the source's targets move."""

from __future__ import annotations

import itertools

import numpy as np
from jaxtyping import Bool, Float64

from face_model.base_mesh import BaseMesh, rings_around
from face_model.eyelids import MARGIN, eye_rings
from face_model.identity import TARGETS
from face_model.source import Source

LIP_RINGS = 7
"""Rings around the mouth's opening up to the border of the red of the lips."""
LID_RINGS = MARGIN + 7
"""Rings around the eye's opening up to the crease of the lid."""
BROW_RADIUS_MM = 6.0


def in_face(vertices: Float64[np.ndarray, "n 3"], unit: float) -> Bool[np.ndarray, " n"]:
    """Return which points of the neutral head count as face in its statistics, from forehead to chin.

    Args:
        vertices: model frame, the origin between the eye corners.
        unit: distance of the outer eye corners, same unit.
    """
    _, y, z = (vertices / unit).T
    return (y <= 0.26 + 0.42 * (z + 0.93)) & (z >= -0.72) & (y >= -0.83 - 0.62 * (z + 0.83))


def ear_mask(source: Source, mesh: BaseMesh) -> Bool[np.ndarray, " n"]:
    """The ears: what moves most where the source moves them."""
    return _moved(source, mesh, "ears/l-ear-trans-up", "ears/r-ear-trans-up", share=0.8)


def build_regions(
    source: Source,
    mesh: BaseMesh,
    mean: Float64[np.ndarray, "n 3"],
    landmarks: Float64[np.ndarray, "68 3"],
) -> dict[str, Bool[np.ndarray, " n"]]:
    """Masks of the base vertices by region name.

    Args:
        source: the source files.
        mesh: the head mesh.
        mean: the mean face, mm.
        landmarks: its landmarks.
    """
    n = len(mean)
    x, y, z = mean.T
    regions: dict[str, np.ndarray] = {}
    for side in ("left", "right"):
        regions[f"{side}_eyelids"] = np.zeros(n, bool)
        regions[f"{side}_eyelids"][eye_rings(mesh, side, LID_RINGS)] = True
    regions["eyeballs"] = mesh.eyeball
    regions["lips"] = np.isin(
        np.arange(n), np.concatenate(rings_around(mesh, mesh.mouth_rim(mean), LIP_RINGS))
    )
    nose = _moved(source, mesh, "nose/nose-scale-horiz-incr", "nose/nose-scale-depth-incr", share=0.4)
    regions["nose"] = nose & ~regions["lips"] & (y < landmarks[27, 1])
    brows = [_near_line(mean, landmarks[brow]) < BROW_RADIUS_MM for brow in (slice(17, 22), slice(22, 27))]
    regions["brows"] = (brows[0] | brows[1]) & ~regions["left_eyelids"] & ~regions["right_eyelids"]
    regions["ears"] = ear_mask(source, mesh)

    taken = np.any(list(regions.values()), axis=0)
    width = float(np.linalg.norm(landmarks[36] - landmarks[45]))
    face = in_face(mean, width) & ~taken
    brow_line = np.interp(x, landmarks[17:27, 0], landmarks[17:27, 1])
    regions["forehead"] = face & (y > brow_line)
    beside_mouth = np.abs(x) > np.abs(landmarks[48, 0]) + 3
    below_eyes = y < landmarks[41, 1] - 6
    regions["cheeks"] = face & below_eyes & (y > landmarks[57, 1]) & (beside_mouth | (y > landmarks[33, 1]))
    regions["cheeks"] &= (z > landmarks[2, 2]) & (np.abs(x) > np.abs(landmarks[31, 0]))
    return regions


def _moved(source: Source, mesh: BaseMesh, *paths: str, share: float) -> Bool[np.ndarray, " n"]:
    """The skin that targets move by at least a share of their greatest movement."""
    mask = np.zeros(len(mesh.source_vertex), bool)
    for path in paths:
        displacement = source.target(f"{TARGETS}/{path}.target.gz")[mesh.source_vertex]
        distance = np.linalg.norm(displacement, axis=1)
        mask |= distance > share * distance.max()
    return mask & ~mesh.eyeball


def _near_line(
    points: Float64[np.ndarray, "n 3"], line: Float64[np.ndarray, "k 3"]
) -> Float64[np.ndarray, " n"]:
    """Distance of points to a chain of segments."""
    distance = np.full(len(points), np.inf)
    for a, b in itertools.pairwise(line):
        share = np.clip((points - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
        distance = np.minimum(distance, np.linalg.norm(points - a - share[:, None] * (b - a), axis=1))
    return distance
