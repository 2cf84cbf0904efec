"""The open face model that ships with the library: its file, its levels of detail, its crops."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib.resources import as_file, files

import numpy as np

from tddfa.errors import InputError
from tddfa.morphable.eyelids import Eyelids
from tddfa.morphable.eyes import ELSEWHERE, Eyes, gaze_turns
from tddfa.morphable.landmarks import LandmarkSet
from tddfa.morphable.model import MorphableModel
from tddfa.morphable.surface import QuadMesh
from tddfa.shapes import Bool, Float, Float32, Int32

N_LEVELS = 3
SMOOTHING_ROUNDS = 2
CROPS = ("face", "head")
MARGIN = 0.01
"""Of the face's texture layout: filters read beyond the border of the skin."""
EYEBALL_SIZE = 0.17
"""Side of the square that each eyeball gets in it; its texels are then as large as those of the skin."""
FILE = "data/open_face_model.npz"


def open_face_model(level: int, crop: str) -> MorphableModel:
    """The open face model at a level of detail; see `MorphableModel.open`."""
    if type(level) is not int or level not in range(N_LEVELS):
        raise InputError(f"the open face model has no level {level!r}; there are 0, 1 and 2")
    if crop not in CROPS:
        raise InputError(f"the open face model has no crop {crop!r}; there are {' and '.join(CROPS)}")
    return _model(level, crop)


def in_face(vertices: Float[np.ndarray, "n 3"], unit: float) -> Bool[np.ndarray, " n"]:
    """Which points of the neutral head belong to the face, from forehead to chin.

    Args:
        vertices: model frame, the origin between the eye corners.
        unit: distance of the outer eye corners, same unit.
    """
    return _inside_by(vertices, unit) >= 0


def _inside_by(vertices: Float[np.ndarray, "n 3"], unit: float) -> Float[np.ndarray, " n"]:
    _, y, z = (vertices / unit).T
    below_hair, before_ears, above_throat = (
        0.26 + 0.42 * (z + 0.93) - y,
        z + 0.72,
        y + 0.83 + 0.62 * (z + 0.83),
    )
    return np.minimum(np.minimum(below_hair, before_ears), above_throat)


@cache
def _arrays() -> dict[str, np.ndarray]:
    with as_file(files("tddfa.morphable") / FILE) as path, np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


@cache
def _model(level: int, crop: str) -> MorphableModel:
    arrays = _arrays()
    mean: Float32[np.ndarray, "n 3"] = arrays["mean"]
    base = QuadMesh(
        quads=arrays["quads"].astype(np.int32),
        uv=arrays["uv"],
        uv_quads=arrays["uv_quads"].astype(np.int32),
        mirror=arrays["mirror"].astype(np.int32),
    )
    names: list[str] = arrays["region_names"].tolist()
    masks = np.unpackbits(arrays["regions"], axis=1, count=len(mean)).astype(np.float32)
    landmarks = _landmark_sets(arrays)

    inside = np.ones(len(mean), bool)
    if crop == "face":
        corners = landmarks["ibug68"].positions(mean)[[36, 45]]
        unit = float(np.linalg.norm(corners[0] - corners[1]))
        depth = _face_depth(mean, masks[names.index("ears")], base.quads, unit)
        inside = (depth > 0) | (masks[names.index("eyeballs")] > 0)
        on_eyeball = masks[names.index("eyeballs")][arrays["uv_vertex"]] > 0
        base = replace(base, uv=_face_layout(base.uv, on_eyeball, inside[arrays["uv_vertex"]]))
    for refine in base.refined(level)[1]:
        # The outline of the base mesh, at every level: edges and half quads stay what they are.
        edges = np.concatenate([refine.inner_edges[:, :2], refine.boundary_edges])
        half = inside[refine.coarse_quads].sum(axis=1) >= 3
        inside = np.concatenate([inside, inside[edges].all(axis=1), half])
    surface = base.surface(level, mean, inside)
    mesh_masks = surface(masks.T[surface.base]) > 0.5
    expression_names = tuple(arrays["expression_names"].tolist())
    degrees = dict(zip(arrays["gaze.names"].tolist(), arrays["gaze.degrees"].tolist(), strict=True))
    mesh_mean, is_eyeball = surface(mean[surface.base]), mesh_masks[:, names.index("eyeballs")]
    offsets = np.full((len(mesh_mean), 2), ELSEWHERE, np.float32)
    center = arrays["eyes.centers"][(mesh_mean[is_eyeball, 0] < 0).astype(int), :2]
    offsets[is_eyeball] = mesh_mean[is_eyeball, :2] - center
    blink = [arrays["expression_names"].tolist().index(f"eyeBlink{side}") for side in ("Left", "Right")]
    return MorphableModel(
        name="open",
        mean=mean,
        identity_basis=arrays["identity_basis"].astype(np.float32),
        expression_basis=arrays["expression_basis"].astype(np.float32),
        expression_names=expression_names,
        topology=surface.topology,
        landmark_sets=landmarks,
        regions={name: mesh_masks[:, i] for i, name in enumerate(names)},
        surface=surface,
        eyelids=Eyelids(
            gap_vertices=arrays["eyelids.gap_vertices"].astype(np.int32),
            gap_weights=arrays["eyelids.gap_weights"],
            gap_eye=arrays["eyelids.gap_eye"].astype(np.int32),
            spread_vertices=arrays["eyelids.spread_vertices"].astype(np.int32),
            spread_gap=arrays["eyelids.spread_gap"].astype(np.int32),
            spread_weights=arrays["eyelids.spread_weights"],
            blink=(blink[0], blink[1]),
        ),
        eyes=Eyes(gaze_turns(expression_names, degrees), offsets),
        identity_mirror_sign=arrays["identity_mirror_sign"].astype(np.float32),
        mirror=base.mirror,
    )


def _face_depth(
    mean: Float32[np.ndarray, "n 3"],
    ears: Float32[np.ndarray, " n"],
    quads: Int32[np.ndarray, "n_quads 4"],
    unit: float,
) -> Float32[np.ndarray, " n"]:
    """How far inside the face each base vertex of the mean head lies; above 0 in it, smooth along its rim."""
    depth = np.minimum(_inside_by(mean, unit), 0.2 * (0.5 - ears))
    n_quads = np.maximum(np.bincount(quads.ravel(), minlength=len(mean)), 1)
    for _ in range(SMOOTHING_ROUNDS):
        of_quads = np.repeat(depth[quads].mean(axis=1), 4)
        depth = np.bincount(quads.ravel(), of_quads, minlength=len(mean)) / n_quads
    return depth.astype(np.float32)


def _face_layout(
    uv: Float32[np.ndarray, "n_uv 2"],
    on_eyeball: Bool[np.ndarray, " n_uv"],
    inside: Bool[np.ndarray, " n_uv"],
) -> Float32[np.ndarray, "n_uv 2"]:
    """The head's texture layout with the face as large as the square, the eyeballs in corners at the chin.

    Each island is scaled and moved as a whole, so that all levels of detail share the layout.
    """
    skin = inside & ~on_eyeball
    left, right = on_eyeball & (uv[:, 0] > 0.5), on_eyeball & (uv[:, 0] < 0.5)
    corner = 1 - MARGIN - EYEBALL_SIZE
    placed = _scaled_into(uv, skin, MARGIN, MARGIN, 1 - 2 * MARGIN)
    placed[left] = _scaled_into(uv, left, corner, MARGIN, EYEBALL_SIZE)[left]
    placed[right] = _scaled_into(uv, right, MARGIN, MARGIN, EYEBALL_SIZE)[right]
    return placed


def _scaled_into(
    uv: Float32[np.ndarray, "n_uv 2"], part: Bool[np.ndarray, " n_uv"], u: float, v: float, size: float
) -> Float32[np.ndarray, "n_uv 2"]:
    """Everything scaled and moved so that the part fills a square with its lower left corner at (u, v)."""
    low, high = uv[part].min(axis=0), uv[part].max(axis=0)
    return (np.array([u, v]) + (uv - low) / (high - low) * size).astype(np.float32)


def _landmark_sets(arrays: dict[str, np.ndarray]) -> dict[str, LandmarkSet]:
    sets: dict[str, LandmarkSet] = {}
    for key in arrays:
        match key.split("."):
            case ["landmarks", name, "vertices"]:
                numbers = arrays.get(f"landmarks.{name}.numbers")
                sets[name] = LandmarkSet(
                    arrays[key].astype(np.int32),
                    arrays[f"landmarks.{name}.weights"],
                    None if numbers is None else numbers.astype(np.int32),
                )
            case _:
                pass
    # The set that every model has comes first wherever the sets are listed.
    return {"ibug68": sets.pop("ibug68"), **sets}
