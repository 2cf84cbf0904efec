"""The head with the inside of its mouth: new vertices, quads and textures behind those it has."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64, Int64

from face_model.base_mesh import BaseMesh
from face_model.identity import Followers
from face_model.layout import MOUTH_BOX, into_box
from face_model.mouth import FOLLOW, TEETH, TONGUE, Mouth

Pair = tuple[np.ndarray, np.ndarray]
"""Values of the vertices that the head has, and of those that are new."""


@dataclass(frozen=True, slots=True)
class HeadWithMouth:
    """The whole head.

    Attributes:
        mesh: quads and layouts.
        mean: the mean face, mm.
        identity_basis: displacement per standard deviation, mm.
        expression_basis: displacement at weight 1, mm.
        lip_edges: edges where the skin of the lips ends and the cavity begins.
        regions: masks of the new regions: mouth, teeth, tongue.
    """

    mesh: BaseMesh
    mean: Float64[np.ndarray, "n 3"]
    identity_basis: Float64[np.ndarray, "n 3 k"]
    expression_basis: Float64[np.ndarray, "n 3 e"]
    lip_edges: Int64[np.ndarray, "n_around 2"]
    regions: dict[str, Bool[np.ndarray, " n"]]


def add_mouth(
    mesh: BaseMesh,
    mouth: Mouth,
    followers: Followers,
    *,
    means: Pair,
    identity_bases: Pair,
    expression_bases: Pair,
    closing: Float64[np.ndarray, "n_outer 3"],
) -> HeadWithMouth:
    """Return the head joined with cavity, teeth and tongue.

    Args:
        mesh: the head with its eyeballs.
        mouth: the parts of the left half of the mouth.
        followers: the new vertices of both halves.
        means: the mean face, mm.
        identity_bases: displacement per standard deviation, mm.
        expression_bases: displacement at weight 1, mm.
        closing: how far closing the lips has moved the vertices of the skin, mm.
    """
    n_old = len(means[0])
    of_source = np.full(max(mesh.source_vertex.max(), followers.source_vertex.max()) + 1, -1)
    outer = mesh.source_vertex >= 0
    of_source[mesh.source_vertex[outer]] = np.flatnonzero(outer)
    of_source[followers.source_vertex] = n_old + np.arange(len(followers.source_vertex))
    partner = np.concatenate([mesh.mirror, n_old + followers.mirror])

    mean = np.concatenate(means)
    rings = of_source[mouth.rings]
    for ring, share in zip(rings[1:], FOLLOW[1:], strict=False):
        mean[ring] += share * closing[rings[0]]

    quads, uv, uv_quads, n_uv = [mesh.quads], [mesh.uv], [mesh.uv_quads], len(mesh.uv)
    uv_vertex = [mesh.uv_vertex]
    for part in mouth.parts.values():
        left = of_source[part.quads]
        for is_left in (True, False):
            numbers = n_uv + (part.uv_quads if is_left else part.uv_quads[:, ::-1])
            vertex = np.empty(len(part.uv), np.int64)
            quads.append(left if is_left else partner[left][:, ::-1])
            vertex[numbers - n_uv] = quads[-1]
            uv_quads.append(numbers)
            uv_vertex.append(vertex)
            # Mirrored within the box, so that the middle of the mouth lies towards the middle of the layout.
            uv.append(
                np.hstack([into_box(part.uv, MOUTH_BOX[crop], left=is_left) for crop in ("head", "face")])
            )
            n_uv += len(part.uv)

    n = len(mean)
    regions = {
        name: np.isin(np.arange(n), np.concatenate([left := of_source[q].ravel(), partner[left]]))
        for name, q in (
            ("mouth", np.concatenate([mouth.parts[part].quads for part in ("cavity", "throat")])),
            ("teeth", np.concatenate([mouth.parts[part].quads for part in TEETH])),
            ("tongue", mouth.parts[TONGUE].quads),
        )
    }
    regions["mouth"][: len(mesh.mirror)] = False  # its outermost ring belongs to the lips
    return HeadWithMouth(
        mesh=replace(
            mesh,
            source_vertex=np.concatenate([mesh.source_vertex, followers.source_vertex]),
            quads=np.concatenate(quads).astype(np.int32),
            uv=np.concatenate(uv),
            uv_quads=np.concatenate(uv_quads).astype(np.int32),
            uv_vertex=np.concatenate(uv_vertex).astype(np.int32),
            mirror=partner.astype(np.int32),
            eyeball=np.append(mesh.eyeball, np.zeros(len(followers.mirror), bool)),
        ),
        mean=mean,
        identity_basis=np.concatenate(identity_bases),
        expression_basis=np.concatenate(expression_bases),
        lip_edges=np.stack([rings[0], np.roll(rings[0], -1)], axis=1),
        regions=regions,
    )
