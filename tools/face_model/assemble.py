"""All steps in order: from the source files to the arrays of the shipped file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from face_model.base_mesh import EYE_CORNERS, BaseMesh, cut_head
from face_model.expression import build_expressions, expression_names
from face_model.eyeballs import GAZE_DEG, add_eyeballs
from face_model.eyelids import find_eyelids
from face_model.identity import Followers, build_identities
from face_model.inside import add_mouth
from face_model.landmarks import landmark_sets, mediapipe_numbers, pack_landmark_sets
from face_model.layout import fill_square
from face_model.lips import close_lips
from face_model.mouth import find_mouth
from face_model.regions import build_regions, ear_mask, in_face
from face_model.source import Source, read_base_object, read_mirror
from tddfa.morphable.crop import face_depth
from tddfa.morphable.open_model import build_surface, one_side, rim_light, rim_light_key, surface_key
from tddfa.morphable.stored_surface import pack_surface
from tddfa.morphable.subdivision import catmull_clark

LEFT_PUPIL = 473
"""MediaPipe's number of the left pupil."""
FORMAT = "tddfa face model 2"


def build_arrays(source: Source) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the arrays of the shipped file by name, and lines that report on them."""
    base, mirror = read_base_object(source), read_mirror(source)
    mesh = cut_head(base, mirror)
    raw = base.vertices[mesh.source_vertex]
    corners = mesh.index(np.array(EYE_CORNERS))
    shifted = raw - raw[corners].mean(axis=0)
    face = in_face(shifted, unit=_width(raw[corners])) & ~ear_mask(source, mesh)
    mouth = find_mouth(base, mesh, shifted)
    inside = np.union1d(mouth.vertices, mirror[mouth.vertices])
    followers = Followers(inside, np.searchsorted(inside, mirror[inside]))
    identities = build_identities(source, mesh, base.vertices, followers, vertex_areas(mesh, raw), face)
    origin = identities.mean[corners].mean(axis=0)
    mean = identities.mean - origin

    names = expression_names(source)
    expressions, asymmetry = build_expressions(source, mesh.source_vertex, mesh.mirror, names)
    unclosed = mean
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

    # From here on the head is continued: everything so far keeps its numbers and its values.
    n_outer = len(mean)
    mesh = _with_face_layout(mesh, mean)
    eyes = add_eyeballs(mesh, mean, identities.basis, identities.mirror_sign, expressions, names, pupil_left)
    sets["irises"] = (eyes.iris_vertices, eyes.iris_weights)
    whole = add_mouth(
        eyes.mesh,
        mouth,
        followers,
        means=(eyes.mean, identities.follower_mean - origin),
        identity_bases=(eyes.identity_basis, identities.follower_basis),
        expression_bases=(
            eyes.expression_basis,
            build_expressions(source, followers.source_vertex, followers.mirror, names)[0],
        ),
        closing=mean - unclosed,
    )
    mesh, mean = whole.mesh, whole.mean
    n = len(mean)
    regions = {name: np.append(mask, np.zeros(n - len(mask), bool)) for name, mask in regions.items()}
    behind_lids = np.zeros(n, bool)
    behind_lids[n_outer : len(eyes.mean)] = ~eyes.mesh.eyeball[n_outer:]
    regions["left_eyelids"] |= behind_lids & (mean[:, 0] > 0)
    regions["right_eyelids"] |= behind_lids & (mean[:, 0] < 0)
    regions["eyeballs"] = mesh.eyeball
    regions |= whole.regions
    gaze = [
        (f"eyeLook{direction}{side}", deg)
        for direction, deg in GAZE_DEG.items()
        for side in ("Left", "Right")
    ]
    arrays: dict[str, np.ndarray] = {
        "format": np.array(FORMAT),
        "mean": mean.astype(np.float32),
        "identity_basis": whole.identity_basis.astype(np.float16),
        "identity_mirror_sign": identities.mirror_sign.astype(np.int8),
        "expression_basis": whole.expression_basis.astype(np.float16),
        "expression_names": np.array(names),
        "quads": mesh.quads.astype(np.uint16),
        "uv.head": mesh.uv[:, :2].astype(np.float32),
        "uv.face": mesh.uv[:, 2:].astype(np.float32),
        "uv_quads": mesh.uv_quads.astype(np.uint16),
        "mirror": mesh.mirror.astype(np.uint16),
        "creases": np.concatenate([eyes.lid_edges, whole.lip_edges]).astype(np.uint16),
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
    arrays |= pack_landmark_sets(
        sets, {"mediapipe478": np.array(mediapipe_numbers()), "irises": np.arange(468, 478)}
    )
    built = build_surface(arrays, 1, "face")
    key = surface_key(1, "face", mouth=True)
    arrays |= pack_surface(built, key) | {rim_light_key(key): rim_light(arrays, built, 1).astype(np.uint16)}
    side = one_side(mesh.mirror.astype(np.int64))
    for name in ("mean", "identity_basis", "expression_basis"):
        arrays[name] = arrays[name][side]  # the other side is its exact mirror image
    report = [
        f"base mesh: {len(mean)} vertices, {len(mesh.quads)} quads, {len(mesh.uv)} texture coordinates",
        f"identity: {len(identities.mirror_sign)} components hold {identities.explained:.1%} of the "
        f"variance, held-out error {identities.heldout_rms:.2f} mm RMS",
        f"expression: {len(names)}, asymmetry of the source averaged out: up to {asymmetry:.2f} mm",
        f"landmark sets: {', '.join(sets)}",
        f"regions: {', '.join(f'{name} {mask.sum()}' for name, mask in regions.items())}",
    ]
    return arrays, report


def _with_face_layout(mesh: BaseMesh, mean: Float64[np.ndarray, "n 3"]) -> BaseMesh:
    """Return the head with a second texture layout, in which the skin of the face fills the square."""
    skin = ~mesh.eyeball[mesh.quads].any(axis=1)
    points, quads, uv, uv_quads = mean, mesh.quads[skin], mesh.uv, mesh.uv_quads[skin]
    for _ in range(2):
        refine, refine_uv = catmull_clark(quads, len(points)), catmull_clark(uv_quads, len(uv))
        points, uv, quads, uv_quads = refine(points), refine_uv(uv), refine.quads, refine_uv.quads
    inside = face_depth(points)[quads] > 0
    return replace(mesh, uv=np.hstack([mesh.uv, fill_square(mesh.uv, uv[uv_quads[inside]])]))


def vertex_areas(mesh: BaseMesh, vertices: Float64[np.ndarray, "n 3"]) -> Float64[np.ndarray, " n"]:
    """Return the surface that belongs to each vertex, mm²: a quarter of each of its quads."""
    a, b, c, d = (vertices[mesh.quads[:, i]] for i in range(4))
    area = np.linalg.norm(np.cross(c - a, d - b), axis=1) / 2
    return np.bincount(mesh.quads.ravel(), np.repeat(area / 4, 4), minlength=len(vertices))


def _width(corners: Float64[np.ndarray, "4 3"]) -> float:
    """Return the distance of the outer eye corners, mm."""
    return float(np.linalg.norm(corners[0] - corners[3]))
