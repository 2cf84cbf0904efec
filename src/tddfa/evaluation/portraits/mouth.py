"""The inside of a mouth: two rows of teeth, the lower one moving with the jaw, and darkness behind them."""

from __future__ import annotations

from functools import cache

import numpy as np

from tddfa.evaluation.portraits.canvas import portrait_model
from tddfa.shapes import Float32, Int32
from tddfa.types import FaceParams, Mesh, Topology

_N_TEETH = 14
_COLUMNS, _ROWS = 5, 4  # vertices across a tooth, and along it
_WIDTH_MM, _DEPTH_MM, _LENGTH_MM = 25.0, 30.0, 10.0
_JAW = ("jawOpen", "jawForward", "jawLeft", "jawRight")
# The bite stands this far behind the meeting line of the lips, and the upper row this far below it.
_BEHIND_MM, _BELOW_MM = 6.0, 2.5


_CAVITY_MM = (24.0, 34.0, 16.0)
_CAVITY_BEHIND_MM, _CAVITY_BELOW_MM = 34.0, 14.0


def mouth_shape(params: FaceParams) -> Mesh:
    """Return both rows of teeth of a face and a closed surface behind them, model frame, mm."""
    model = portrait_model()
    neutral = model.params(identity=params.identity)
    rest = model.landmarks(neutral) * np.array([1, -1, -1], np.float32)  # a frontal camera at 1 px per mm
    jaw = np.zeros_like(params.expression)
    for name in _JAW:
        k = model.expression_index(name)
        jaw[k] = params.expression[k]
    moved = model.landmarks(model.params(identity=params.identity, expression=jaw))
    chin = (moved * np.array([1, -1, -1], np.float32) - rest)[8]
    meeting = (rest[62] + rest[66]) / 2
    upper = _row() + meeting + np.array([0, -_BELOW_MM, -_BEHIND_MM], np.float32)
    lower = _row() * np.array([0.94, -1, 0.94], np.float32) + meeting
    # The lower teeth stand behind the upper ones and, nearer to the joint, move less than the chin.
    lower += np.array([0, -_BELOW_MM, -_BEHIND_MM - 2], np.float32) + 0.85 * chin
    sphere, _ = _sphere()
    shift = np.array([0, -_CAVITY_BELOW_MM, -_CAVITY_BEHIND_MM], np.float32)
    cavity = sphere * np.array(_CAVITY_MM, np.float32) + meeting + shift + 0.4 * chin
    return Mesh(np.concatenate([upper, lower, cavity]).astype(np.float32), _topology())


@cache
def tooth_shade() -> Float32[np.ndarray, " n"]:
    """Return how bright each vertex is: gaps between teeth are dark; 0 behind the teeth."""
    across = np.abs(np.linspace(-1, 1, _COLUMNS))
    tooth = np.where(across > 0.9, 0.25, 1 - 0.25 * across**2)
    row = np.tile(np.tile(tooth, _N_TEETH), _ROWS)
    return np.concatenate([row, row, np.zeros(len(_sphere()[0]))]).astype(np.float32)


@cache
def _row() -> Float32[np.ndarray, "n 3"]:
    """Return the upper row about the middle of its edge: x to the left, y up, z forward."""
    angle = np.linspace(-1.35, 1.35, _N_TEETH * _COLUMNS)
    x, z = _WIDTH_MM * np.sin(angle), _DEPTH_MM * (np.cos(angle) - 1)
    y = np.linspace(0, _LENGTH_MM, _ROWS)
    grid = [np.column_stack([x, np.full_like(x, height), z]) for height in y]
    return np.concatenate(grid).astype(np.float32)


@cache
def _sphere() -> tuple[Float32[np.ndarray, "n 3"], Int32[np.ndarray, "m 3"]]:
    """Return vertices and triangles of a unit sphere."""
    n_around, n_down = 16, 8
    down, around = np.meshgrid(
        np.linspace(0, np.pi, n_down + 1), np.linspace(0, 2 * np.pi, n_around + 1), indexing="ij"
    )
    points = np.stack([np.sin(down) * np.sin(around), np.cos(down), np.sin(down) * np.cos(around)], axis=-1)
    return points.reshape(-1, 3).astype(np.float32), _grid(n_down + 1, n_around + 1)[:, ::-1].copy()


def _grid(rows: int, columns: int) -> Int32[np.ndarray, "m 3"]:
    """Return the triangles of a grid of vertices."""
    k = np.arange(columns - 1)
    strip = np.stack([k, k + 1, k + 1 + columns, k + columns], axis=1)
    quads = np.concatenate([strip + row * columns for row in range(rows - 1)])
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)


@cache
def _topology() -> Topology:
    row = _grid(_ROWS, _N_TEETH * _COLUMNS)
    n = _ROWS * _N_TEETH * _COLUMNS
    sphere, triangles = _sphere()
    # The lower row is upside down.
    both = np.concatenate([row, row[:, ::-1] + n, triangles + 2 * n]).astype(np.int32)
    return Topology(both, None, np.zeros((2 * n + len(sphere), 3), np.float32))
