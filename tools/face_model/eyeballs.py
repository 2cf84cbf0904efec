"""Eyeballs that turn: two spheres behind the lids, their irises, and the skin between lid and eyeball."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int32, Int64

from face_model.base_mesh import BaseMesh
from face_model.eyelids import eye_rings
from face_model.layout import EYEBALL_CORNER, EYEBALL_SIZE, into_box
from tddfa.morphable.eyes import IRIS_RADIUS_MM, PUPIL_RADIUS_MM, rotation_of
from tddfa.morphable.subdivision import catmull_clark

RADIUS_MM = 12.2
"""Radius of an eyeball. Source: Bekerman et al., "Variations in eyeball diameters of the healthy adults",
2014: 24.2 mm across."""
FRONT_MM = 3.0
"""How far the front of an eyeball lies before the middle of the eye corners; the lids of the mean face are
then 1 to 2 mm thick."""
N_AROUND = 8
BEHIND_IRIS = ((48.0, 1.0), (66.0, 1.0), (86.0, 0.965), (104.0, 0.84))
"""Angle from the pole, degrees, and share of the radius of the rings behind the iris.

What turns into view lies on the sphere. The back is drawn in: where two turns add up, as in a look inwards
and upwards, it would otherwise come out of the skin beside the eye."""
N_SOLVER_ROUNDS = 60
GAZE_DEG = {"Out": 30.0, "In": 30.0, "Up": 25.0, "Down": 25.0}
"""How far eyeLook* at weight 1 turns an eye: about as far as people turn them before they turn the head."""
CONTACT_RINGS = (2, 3)
"""Rings of the lids that an eyeball keeps its distance to, whoever's face it is."""
LID_DEPTH_MM = 2.0
"""How deep under the surface of the eyeball the skin behind the lids ends."""
OLD_MOVEMENT_WEIGHT = 0.2
"""How much the movement of the source's eyeball counts beside that of the lids' 56 vertices."""


@dataclass(frozen=True, slots=True)
class Eyeballs:
    """What the eyeballs add to the head; new vertices come after the old ones, the left eye's first.

    Attributes:
        mesh: the head whose eyeballs are the new ones; the old ones keep their vertices, but have no quads.
        mean: the mean face, mm.
        identity_basis: displacement per standard deviation, mm.
        expression_basis: displacement at weight 1, mm.
        centers: centres of the left and the right eyeball of the mean face, mm.
        lid_edges: edges where lids end and the skin behind them begins.
        iris_vertices: base vertices of the points of the irises, in MediaPipe's order from 468 on.
        iris_weights: their weights.
    """

    mesh: BaseMesh
    mean: Float64[np.ndarray, "n 3"]
    identity_basis: Float64[np.ndarray, "n 3 k"]
    expression_basis: Float64[np.ndarray, "n 3 e"]
    centers: Float64[np.ndarray, "2 3"]
    lid_edges: Int64[np.ndarray, "56 2"]
    iris_vertices: Int32[np.ndarray, "10 k"]
    iris_weights: Float64[np.ndarray, "10 k"]


def add_eyeballs(
    mesh: BaseMesh,
    mean: Float64[np.ndarray, "n 3"],
    identity_basis: Float64[np.ndarray, "n 3 k"],
    identity_sign: Float64[np.ndarray, " k"],
    expression_basis: Float64[np.ndarray, "n 3 e"],
    names: tuple[str, ...],
    pupil_left: Float64[np.ndarray, " 2"],
) -> Eyeballs:
    """Replace the source's eyeballs by spheres that turn with eyeLook*.

    Args:
        mesh: the head mesh with the source's eyeballs.
        mean: the mean face, mm.
        identity_basis: displacement per standard deviation, mm.
        identity_sign: what each identity coefficient is multiplied with when the face is mirrored.
        expression_basis: displacement at weight 1, mm.
        names: the expressions.
        pupil_left: x and y of the left pupil of people who look straight ahead, mm.
    """
    directions, ball_quads = _ball()
    n_ball = len(directions)
    center = np.array([*pupil_left, FRONT_MM - RADIUS_MM])
    share = np.ones(n_ball)
    for ring, (_, drawn_in) in enumerate(reversed(BEHIND_IRIS)):
        share[n_ball - (ring + 1) * N_AROUND : n_ball - ring * N_AROUND] = drawn_in
    ball = _control_points(directions * share[:, None] * RADIUS_MM, ball_quads) + center

    rings = eye_rings(mesh, "left", max(CONTACT_RINGS) + 1)
    old = np.flatnonzero(mesh.eyeball & (mean[:, 0] > 0))
    move = _movement_with_lids(mean, identity_basis, rings[list(CONTACT_RINGS)].ravel(), old, center)
    # Skin from the lids' inner edge into the gap between lid and eyeball, so that no gap can be seen.
    edge = rings[0]
    toward = mean[edge] - center
    toward /= np.linalg.norm(toward, axis=1, keepdims=True)
    inner = center + toward * (RADIUS_MM - LID_DEPTH_MM)
    # It goes along the eyeball with the lids, but neither away from it nor into it.
    along = identity_basis[edge] - move
    along -= np.einsum("vc,vd,vdk->vck", toward, toward, along)

    n_old, n_side = len(mean), n_ball + len(inner)
    side = np.concatenate([ball, inner])
    flip = np.array([-1.0, 1.0, 1.0])
    new_mean = np.concatenate([mean, side, side * flip])
    of_side = np.concatenate([np.broadcast_to(move, (n_ball, *move.shape)), move + along])
    new_identity = np.concatenate([identity_basis, of_side, of_side * flip[:, None] * identity_sign])

    balls = n_old + np.arange(n_ball), n_old + n_side + np.arange(n_ball)
    new_expression = np.concatenate([expression_basis, np.zeros((2 * n_side, *expression_basis.shape[1:]))])
    centers = np.stack([center, center * flip])
    for eye, name in enumerate(("Left", "Right")):
        # The source's eyeballs carry MediaPipe's iris points and turn along.
        turning = np.concatenate([mesh.mirror[old] if eye else old, balls[eye]])
        for direction, degrees in GAZE_DEG.items():
            expression = f"eyeLook{direction}{name}"
            R = rotation_of(expression, degrees)
            arm = new_mean[turning] - centers[eye]
            new_expression[turning, :, names.index(expression)] = arm @ (R - np.eye(3)).T

    lid_quads = _lid_quads(mesh, edge, n_old + n_ball)
    keep = ~mesh.eyeball[mesh.quads].any(axis=1)
    quads = [mesh.quads[keep], balls[0][ball_quads], lid_quads]
    partner = np.concatenate([mesh.mirror, n_old + (np.arange(2 * n_side) + n_side) % (2 * n_side)])
    quads += [partner[part][:, ::-1] for part in quads[1:]]
    uv, uv_quads, uv_vertex = _layout(mesh, keep, directions, ball_quads, edge, lid_quads, n_ball, partner)
    eyeball = np.concatenate([mesh.eyeball, np.isin(n_old + np.arange(2 * n_side), np.concatenate(balls))])
    new_mesh = replace(
        mesh,
        source_vertex=np.concatenate([mesh.source_vertex, np.full(2 * n_side, -1)]),
        quads=np.concatenate(quads).astype(np.int32),
        uv=uv,
        uv_quads=uv_quads,
        uv_vertex=uv_vertex,
        mirror=partner.astype(np.int32),
        eyeball=eyeball,
    )
    vertices, weights = _irises(ball_quads, n_ball, balls)
    loop = np.stack([edge, np.roll(edge, -1)], axis=1)
    return Eyeballs(
        new_mesh,
        new_mean,
        new_identity,
        new_expression,
        centers,
        np.concatenate([loop, mesh.mirror[loop]]),
        vertices,
        weights,
    )


def _ball() -> tuple[Float64[np.ndarray, "n 3"], Int64[np.ndarray, "n_quads 4"]]:
    """Directions and quads of a sphere's front: a pole, then rings from the pupil's edge outwards.

    Four quads meet at the pole, so that everything is quads and the edges of pupil and iris are rings.
    """
    edges = [np.rad2deg(np.arcsin(radius / RADIUS_MM)) for radius in (PUPIL_RADIUS_MM, IRIS_RADIUS_MM)]
    angles = np.deg2rad([*edges, *(angle for angle, _ in BEHIND_IRIS)])
    around = np.arange(N_AROUND) * 2 * np.pi / N_AROUND
    rings = [
        np.stack([np.sin(a) * np.cos(around), np.sin(a) * np.sin(around), np.full(N_AROUND, np.cos(a))], 1)
        for a in angles
    ]
    quads = [[0, 1 + k - 1, 1 + k, 1 + (k + 1) % N_AROUND] for k in range(1, N_AROUND, 2)]
    for ring in range(len(rings) - 1):
        start = 1 + ring * N_AROUND
        for k in range(N_AROUND):
            after = (k + 1) % N_AROUND
            quads.append([start + k, start + N_AROUND + k, start + N_AROUND + after, start + after])
    return np.concatenate([[[0.0, 0.0, 1.0]], *rings]), np.array(quads)


def _control_points(
    goal: Float64[np.ndarray, "n 3"], quads: Int64[np.ndarray, "n_quads 4"]
) -> Float64[np.ndarray, "n 3"]:
    """Vertices that lie at `goal` once they are refined twice; before they stand out a little."""
    first = catmull_clark(quads.astype(np.int32), len(goal))
    second = catmull_clark(first.quads, first.n_fine)
    points = goal.copy()
    for _ in range(N_SOLVER_ROUNDS):
        points += goal - second(first(points))[: len(goal)]
    return points


def _movement_with_lids(
    mean: Float64[np.ndarray, "n 3"],
    identity_basis: Float64[np.ndarray, "n 3 k"],
    lids: Int64[np.ndarray, " n_lids"],
    old: Int64[np.ndarray, " n_old"],
    center: Float64[np.ndarray, " 3"],
) -> Float64[np.ndarray, "3 k"]:
    """The movement of an eyeball with identity that keeps the lids as far from its surface as they can be."""
    toward = mean[lids] - center
    toward /= np.linalg.norm(toward, axis=1, keepdims=True)
    away = np.einsum("vc,vck->vk", toward, identity_basis[lids])
    left = np.concatenate([toward, OLD_MOVEMENT_WEIGHT * np.eye(3)])
    right = np.concatenate([away, OLD_MOVEMENT_WEIGHT * identity_basis[old].mean(axis=0)])
    return np.linalg.lstsq(left, right, rcond=None)[0]


def _lid_quads(
    mesh: BaseMesh, edge: Int64[np.ndarray, " n_edge"], first: int
) -> Int64[np.ndarray, "n_edge 4"]:
    """Quads between the lids' inner edge and the vertices that continue it, facing as their neighbours do."""
    after = np.roll(np.arange(len(edge)), -1)
    quads = np.stack([edge, edge[after], first + after, first + np.arange(len(edge))], axis=1)
    sides = {(a, b) for q in mesh.quads.tolist() for a, b in zip(q, q[1:] + q[:1], strict=True)}
    # Neighbours run along a common edge in opposite directions.
    return quads[:, ::-1] if (int(edge[0]), int(edge[1])) in sides else quads


def _layout(
    mesh: BaseMesh,
    keep: np.ndarray,
    directions: Float64[np.ndarray, "n 3"],
    ball_quads: Int64[np.ndarray, "n_quads 4"],
    edge: Int64[np.ndarray, " n_edge"],
    lid_quads: Int64[np.ndarray, "n_edge 4"],
    n_ball: int,
    partner: Int64[np.ndarray, " n"],
) -> tuple[Float64[np.ndarray, "n_uv 4"], Int32[np.ndarray, "n_quads 4"], Int32[np.ndarray, " n_uv"]]:
    """The texture layouts without the old eyeballs, and with the new ones in corners."""
    n_old = len(mesh.mirror)
    used, kept_quads = np.unique(mesh.uv_quads[keep], return_inverse=True)
    uv, vertex = mesh.uv[used], mesh.uv_vertex[used]
    # Azimuthal equidistant map from the front: nothing overlaps and the iris is round.
    angle = np.arccos(directions[:, 2:])
    disc = directions[:, :2] / np.maximum(np.linalg.norm(directions[:, :2], axis=1, keepdims=True), 1e-9)
    disc = disc * angle / angle.max()
    square = (disc + 1) / 2
    # The skin behind the lids continues into the opening, which is empty in the layout.
    at = np.full(n_old, -1)
    at[vertex] = np.arange(len(vertex))
    edge_uv = uv[at[edge]]
    inner_uv = edge_uv + LID_UV_SHARE * (edge_uv.mean(axis=0) - edge_uv)
    sides: list[np.ndarray] = []
    for left in (True, False):
        boxes = [(*EYEBALL_CORNER[crop], size, size) for crop, size in EYEBALL_SIZE.items()]
        ball_uv = np.hstack([into_box(square * [-1, 1] + [1, 0], box, left=left) for box in boxes])
        lid_uv = inner_uv if left else inner_uv * [-1, 1, -1, 1] + [1, 0, 1, 0]
        sides.append(np.concatenate([ball_uv, lid_uv]))
    n_kept, n_side = len(uv), len(sides[0])
    parts = [kept_quads.reshape(-1, 4), n_kept + ball_quads]
    lid_uv_quads = np.where(
        lid_quads < n_old, at[np.minimum(lid_quads, n_old - 1)], lid_quads - n_old + n_kept
    )
    parts.append(lid_uv_quads)
    right_lid = partner[lid_quads][:, ::-1]
    right_ball = n_kept + n_side + ball_quads[:, ::-1]
    parts += [
        right_ball,
        np.where(right_lid < n_old, at[np.minimum(right_lid, n_old - 1)], right_lid - n_old + n_kept),
    ]
    return (
        np.concatenate([uv, *sides]),
        np.concatenate(parts).astype(np.int32),
        np.concatenate([vertex, n_old + np.arange(2 * n_side)]).astype(np.int32),
    )


LID_UV_SHARE = 0.25
"""How far towards the middle of the eye's opening the skin behind the lids reaches in the layout."""


def _irises(
    ball_quads: Int64[np.ndarray, "n_quads 4"],
    n_ball: int,
    balls: tuple[Int64[np.ndarray, " n_ball"], Int64[np.ndarray, " n_ball"]],
) -> tuple[Int32[np.ndarray, "10 k"], Float64[np.ndarray, "10 k"]]:
    """Base vertices and weights of pupil and iris edge: right eye first, each centre, +x, +y, -x, -y."""
    first = catmull_clark(ball_quads.astype(np.int32), n_ball)
    second = catmull_clark(first.quads, first.n_fine)
    operator = second(first(np.eye(n_ball)))[:n_ball]
    iris = 1 + N_AROUND + np.arange(4) * N_AROUND // 4
    left = operator[[0, *iris]]
    # The right eye's vertices are the mirror images, so +x and -x change places.
    right = operator[[0, *iris[[2, 1, 0, 3]]]]
    k = int(max((left != 0).sum(axis=1).max(), (right != 0).sum(axis=1).max()))
    vertices: list[np.ndarray] = []
    weights: list[np.ndarray] = []
    for rows, ball in ((right, balls[1]), (left, balls[0])):
        columns = np.argsort(rows == 0, axis=1, kind="stable")[:, :k]
        vertices.append(ball[columns])
        weights.append(np.take_along_axis(rows, columns, axis=1))
    return np.concatenate(vertices).astype(np.int32), np.concatenate(weights)
