"""All steps in order: from the source files to the arrays of the shipped file."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from face_model.base_mesh import EYE_CORNERS, BaseMesh, cut_head
from face_model.expression import build_expressions, expression_names
from face_model.eyeballs import GAZE_DEG, add_eyeballs
from face_model.eyelids import find_eyelids
from face_model.identity import build_identities
from face_model.landmarks import landmark_sets, mediapipe_numbers
from face_model.lips import close_lips
from face_model.regions import build_regions, ear_mask
from face_model.source import Source, read_base_object, read_mirror
from tddfa.morphable.open_model import in_face

LEFT_PUPIL = 473
"""MediaPipe's number of the left pupil."""
FORMAT = "tddfa face model 1"


def build_arrays(source: Source) -> tuple[dict[str, np.ndarray], list[str]]:
    """The arrays of the shipped file by name, and what there is to say about them."""
    base = read_base_object(source)
    mesh = cut_head(base, read_mirror(source))
    raw = base.vertices[mesh.source_vertex]
    corners = mesh.index(np.array(EYE_CORNERS))
    face = in_face(raw - raw[corners].mean(axis=0), unit=_width(raw[corners])) & ~ear_mask(source, mesh)
    identities = build_identities(source, mesh, raw, vertex_areas(mesh, raw), face)
    mean = identities.mean - identities.mean[corners].mean(axis=0)

    names = expression_names(source)
    expressions, asymmetry = build_expressions(source, mesh, names)
    mean = close_lips(mesh, mean, expressions[..., names.index("jawOpen")])
    blink = (names.index("eyeBlinkLeft"), names.index("eyeBlinkRight"))
    eyelids = find_eyelids(mesh, mean, blink)
    # The blink closes the mean face's eyes exactly, so that the linear model alone is right on average.
    for eye, k in enumerate(blink):
        gaps = eyelids.gaps(mean + expressions[..., k])
        own = eyelids.gap_eye[eyelids.spread_gap] == eye
        move = gaps[eyelids.spread_gap[own]] * eyelids.spread_weights[own, None]
        expressions[eyelids.spread_vertices[own], :, k] += move

    sets = landmark_sets(mesh)
    vertices, weights = sets["ibug68"]
    regions = build_regions(source, mesh, mean, np.einsum("pkc,pk->pc", mean[vertices], weights))
    mediapipe = sets["mediapipe478"]
    pupil = mediapipe_numbers().index(LEFT_PUPIL)
    pupil_left = np.einsum("kc,k->c", mean[mediapipe[0][pupil]], mediapipe[1][pupil])[:2]
    eyes = add_eyeballs(mesh, mean, identities.basis, identities.mirror_sign, expressions, names, pupil_left)
    mesh_without, mesh, mean = mesh, eyes.mesh, eyes.mean
    sets["irises"] = (eyes.iris_vertices, eyes.iris_weights)
    regions = {name: np.append(mask, np.zeros(len(mean) - len(mask), bool)) for name, mask in regions.items()}
    behind_lids = (np.arange(len(mean)) >= len(mesh_without.mirror)) & ~mesh.eyeball
    regions["left_eyelids"] |= behind_lids & (mean[:, 0] > 0)
    regions["right_eyelids"] |= behind_lids & (mean[:, 0] < 0)
    regions["eyeballs"] = mesh.eyeball
    gaze = [
        (f"eyeLook{direction}{side}", deg)
        for direction, deg in GAZE_DEG.items()
        for side in ("Left", "Right")
    ]
    arrays: dict[str, np.ndarray] = {
        "format": np.array(FORMAT),
        "mean": mean.astype(np.float32),
        "identity_basis": eyes.identity_basis.astype(np.float16),
        "identity_mirror_sign": identities.mirror_sign.astype(np.int8),
        "expression_basis": eyes.expression_basis.astype(np.float16),
        "expression_names": np.array(names),
        "quads": mesh.quads.astype(np.uint16),
        "uv": mesh.uv.astype(np.float32),
        "uv_quads": mesh.uv_quads.astype(np.uint16),
        "uv_vertex": mesh.uv_vertex.astype(np.uint16),
        "mirror": mesh.mirror.astype(np.uint16),
        "eyelids.gap_vertices": eyelids.gap_vertices.astype(np.uint16),
        "eyelids.gap_weights": eyelids.gap_weights,
        "eyelids.gap_eye": eyelids.gap_eye.astype(np.uint8),
        "eyelids.spread_vertices": eyelids.spread_vertices.astype(np.uint16),
        "eyelids.spread_gap": eyelids.spread_gap.astype(np.uint16),
        "eyelids.spread_weights": eyelids.spread_weights,
        "gaze.names": np.array([name for name, _ in gaze]),
        "gaze.degrees": np.array([degrees for _, degrees in gaze], np.float32),
        "eyes.centers": eyes.centers.astype(np.float32),
        "region_names": np.array(list(regions)),
        "regions": np.packbits(np.stack(list(regions.values())), axis=1),
    }
    for name, (vertices, weights) in sets.items():
        arrays[f"landmarks.{name}.vertices"] = vertices.astype(np.uint16)
        arrays[f"landmarks.{name}.weights"] = weights.astype(np.float32)
    arrays["landmarks.mediapipe478.numbers"] = np.array(mediapipe_numbers(), np.uint16)
    arrays["landmarks.irises.numbers"] = np.arange(468, 478, dtype=np.uint16)
    report = [
        f"base mesh: {len(mean)} vertices, {len(mesh.quads)} quads, {len(mesh.uv)} texture coordinates",
        f"identity: {len(identities.mirror_sign)} components hold {identities.explained:.1%} of the "
        f"variance, held-out error {identities.heldout_rms:.2f} mm RMS",
        f"expression: {len(names)}, asymmetry of the source averaged out: up to {asymmetry:.2f} mm",
        f"landmark sets: {', '.join(sets)}",
        f"regions: {', '.join(f'{name} {mask.sum()}' for name, mask in regions.items())}",
    ]
    return arrays, report


def vertex_areas(mesh: BaseMesh, vertices: Float64[np.ndarray, "n 3"]) -> Float64[np.ndarray, " n"]:
    """The surface that belongs to each vertex, mm²: a quarter of each of its quads."""
    a, b, c, d = (vertices[mesh.quads[:, i]] for i in range(4))
    area = np.linalg.norm(np.cross(c - a, d - b), axis=1) / 2
    return np.bincount(mesh.quads.ravel(), np.repeat(area / 4, 4), minlength=len(vertices))


def _width(corners: Float64[np.ndarray, "4 3"]) -> float:
    """Distance of the outer eye corners, mm."""
    return float(np.linalg.norm(corners[0] - corners[3]))
