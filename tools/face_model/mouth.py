"""The inside of the mouth: cavity, teeth and tongue, joined to the lips."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from face_model.base_mesh import BaseMesh, islands
from face_model.source import BaseObject

CAVITY_RINGS = (0, 1, 2, 4, 6, 7)
"""Rings of the source's cavity that are kept, counted from the edge of the lips; what is further back would
come out of the face behind the jaw. The throat closes the last one."""
TONGUE_ENDS = -42.0
"""Where the tongue ends, hidden behind the throat; z of the model frame, mm."""
N_SOURCE_RINGS = 11
TEETH = ("helper-upper-teeth", "helper-lower-teeth")
TONGUE = "helper-tongue"
FOLLOW = (1.0, 0.8, 0.5, 0.15)
"""How much of the closing of the lips the rings of the cavity follow."""
SHEET = {
    "cavity": (0.0, 0.22, 0.5, 0.78),
    "throat": (0.0, 0.0, 0.5, 0.16),
    TONGUE: (0.56, 0.0, 0.44, 0.5),
    TEETH[0]: (0.56, 0.56, 0.44, 0.19),
    TEETH[1]: (0.56, 0.81, 0.44, 0.19),
}
"""Where each part of one half of the mouth lies in its own texture square: left, bottom, width, height."""
_MIDDLE_MM = 1e-3


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the left half of the mouth, in vertices of the source; the other half is its mirror image.

    Attributes:
        quads: counter-clockwise seen from inside the mouth (cavity) or from outside (teeth, tongue).
        uv: texture coordinates in the square of `SHEET`.
        uv_quads: the quads again, by texture coordinate.
    """

    quads: Int64[np.ndarray, "n_quads 4"]
    uv: Float64[np.ndarray, "n_uv 2"]
    uv_quads: Int64[np.ndarray, "n_quads 4"]


@dataclass(frozen=True, slots=True)
class Mouth:
    """The parts by name, and the source's vertices that they add to the head.

    Attributes:
        parts: cavity, throat, teeth and tongue.
        rings: the rings of the cavity that are kept, the edge of the lips first.
        vertices: new vertices, sorted.
    """

    parts: dict[str, Part]
    rings: Int64[np.ndarray, "n_rings n_around"]
    vertices: Int64[np.ndarray, " n"]


def find_mouth(base: BaseObject, mesh: BaseMesh, positions: Float64[np.ndarray, "n 3"]) -> Mouth:
    """Return the inside of the mouth of the source.

    Args:
        base: the source mesh.
        mesh: the head.
        positions: vertices of the head, model frame, mm.
    """
    x, z = base.vertices[:, 0], base.vertices[:, 2]
    tongue_ends = z[mesh.source_vertex[0]] - positions[0, 2] + TONGUE_ENDS
    rim = mesh.source_vertex[sorted(mesh.mouth_rim(positions))]
    body = np.flatnonzero(base.groups == "body")
    island = islands(base.uv_quads[body], len(base.uv))
    outer = island[np.isin(base.quads[body], mesh.source_vertex).all(axis=1)][0]
    touching = np.isin(base.quads[body], rim).any(axis=1) & (island != outer)
    quads = base.quads[body[island == island[touching][0]]]
    rings = _rings(quads, rim, base.vertices)
    # The quads that close the source's last ring close the last one that is kept.
    forward = np.zeros(len(base.vertices), np.int64)
    forward[rings[-1]] = rings[CAVITY_RINGS[-1]]
    throat = forward[quads[np.isin(quads, rings[-1]).all(axis=1)]]
    kept = rings[list(CAVITY_RINGS)]
    parts = {"cavity": _cavity(kept, quads), "throat": _flat(_left_half(throat, x), base.vertices[:, :2])}
    for name in (*TEETH, TONGUE):
        chosen = base.groups == name
        left = (x[base.quads[chosen]] > -_MIDDLE_MM).all(axis=1)
        if name == TONGUE:
            left &= (z[base.quads[chosen]] > tongue_ends).all(axis=1)
        used, uv_quads = np.unique(base.uv_quads[chosen][left], return_inverse=True)
        parts[name] = Part(base.quads[chosen][left], _fitted(base.uv[used]), uv_quads.reshape(-1, 4))
    of_left = np.unique(np.concatenate([part.quads.ravel() for part in parts.values()]))
    return Mouth(
        {name: _placed(part, SHEET[name]) for name, part in parts.items()},
        kept,
        of_left[~np.isin(of_left, mesh.source_vertex)],
    )


def _rings(
    quads: Int64[np.ndarray, "n 4"],
    rim: Int64[np.ndarray, " n_rim"],
    vertices: Float64[np.ndarray, "n_all 3"],
) -> Int64[np.ndarray, "n_rings n_around"]:
    """Rings of the cavity; each begins at the top of the middle and goes to the subject's left."""
    beside: dict[int, set[int]] = {}
    for quad in quads.tolist():
        for a, b in zip(quad, quad[1:] + quad[:1], strict=True):
            beside.setdefault(a, set()).add(b)
            beside.setdefault(b, set()).add(a)
    middle = [int(v) for v in rim if abs(vertices[v, 0]) < _MIDDLE_MM]
    loop = [max(middle, key=lambda v: vertices[v, 1])]
    left: set[int] = set(rim.tolist())
    while True:
        steps = sorted(beside[loop[-1]] & left - set(loop), key=lambda v: -vertices[v, 0])
        if not steps:
            break
        loop.append(steps[0])
    rings, seen = [loop], set(loop)
    for _ in range(N_SOURCE_RINGS - 1):
        ring: list[int] = []
        for vertex in rings[-1]:
            (step,) = beside[vertex] - seen
            ring.append(step)
        seen |= set(ring)
        rings.append(ring)
    return np.array(rings)


def _cavity(rings: Int64[np.ndarray, "n_rings n_around"], quads: Int64[np.ndarray, "n 4"]) -> Part:
    """The wall of the cavity between the kept rings, left half, as a rectangle of the texture."""
    n_rings, n_around = rings.shape
    n_half = n_around // 2 + 1
    grid = rings[:, :n_half]
    number = np.arange(n_rings * n_half).reshape(n_rings, n_half)

    def cells(of: np.ndarray) -> np.ndarray:
        corners = (of[:-1, :-1], of[:-1, 1:], of[1:, 1:], of[1:, :-1])
        return np.stack(corners, axis=-1).reshape(-1, 4)

    across, along = np.meshgrid(np.linspace(0, 1, n_half), np.linspace(0, 1, n_rings))
    part = Part(cells(grid), np.stack([along.ravel(), across.ravel()], axis=1), cells(number))
    sides = {(a, b) for q in quads.tolist() for a, b in zip(q, q[1:] + q[:1], strict=True)}
    if (int(grid[0, 0]), int(grid[0, 1])) in sides:
        return part
    return Part(part.quads[:, ::-1], part.uv, part.uv_quads[:, ::-1])


def _left_half(quads: Int64[np.ndarray, "n 4"], x: Float64[np.ndarray, " n_all"]) -> Int64[np.ndarray, "k 4"]:
    left = quads[(x[quads] > -_MIDDLE_MM).all(axis=1)]
    if 2 * len(left) != len(quads):
        raise ValueError("a quad of the mouth lies on both sides of the middle")
    return left


def _flat(quads: Int64[np.ndarray, "n 4"], positions: Float64[np.ndarray, "n_all 2"]) -> Part:
    used, uv_quads = np.unique(quads, return_inverse=True)
    return Part(quads, _fitted(positions[used]), uv_quads.reshape(-1, 4))


def _fitted(uv: Float64[np.ndarray, "n 2"]) -> Float64[np.ndarray, "n 2"]:
    low, high = uv.min(axis=0), uv.max(axis=0)
    return (uv - low) / (high - low)


def _placed(part: Part, slot: tuple[float, float, float, float]) -> Part:
    return Part(part.quads, np.array(slot[:2]) + part.uv * slot[2:], part.uv_quads)
