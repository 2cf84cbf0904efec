"""What stands behind a head, and what it wears."""

from __future__ import annotations

import numpy as np

from tddfa.evaluation.portraits.noise import ValueNoise, smoothstep
from tddfa.shapes import Float32, Float64


def random_background(side: int, rng: np.random.Generator) -> Float32[np.ndarray, "s s 3"]:
    """Return a wall, a blurred room or lights in the dark, linear RGB."""
    rows, columns = np.mgrid[:side, :side].astype(np.float32) / side
    at = np.column_stack([columns.ravel(), rows.ravel(), np.zeros(side * side, np.float32)])
    kind = rng.integers(4)
    color = _muted(rng)
    field = np.stack([ValueNoise(rng)(at, float(rng.uniform(0.25, 0.9)), 3) for _ in range(3)], axis=1)
    out = color * np.exp(rng.uniform(0.1, 0.9) * (0.7 * field[:, :1] + 0.3 * field))
    if kind == 1:  # shelves, windows, door frames
        for _ in range(rng.integers(4, 14)):
            x, y = rng.uniform(-0.2, 1, 2)
            w, h = rng.uniform(0.03, 0.6, 2)
            inside = smoothstep(-0.004, 0.004, w / 2 - np.abs(at[:, 0] - x)) * smoothstep(
                -0.004, 0.004, h / 2 - np.abs(at[:, 1] - y)
            )
            out += inside[:, None] * (_muted(rng) - out)
    elif kind == 2:  # lights out of focus
        for _ in range(rng.integers(6, 25)):
            x, y, r = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.01, 0.09)
            disc = smoothstep(r, 0.92 * r, np.hypot(at[:, 0] - x, at[:, 1] - y))
            out += disc[:, None] * rng.uniform(0.05, 0.5, 3)
    elif kind == 3:  # leaves
        leaves = ValueNoise(rng)(at, 0.08, 3)[:, None]
        out = out * (1 + 0.7 * leaves) * np.array([0.8, 1.1, 0.6])
    return np.clip(out, 0, 1).reshape(side, side, 3).astype(np.float32)


def random_cloth(side: int, rng: np.random.Generator) -> Float32[np.ndarray, "s s 3"]:
    """Return plain or striped cloth, linear RGB."""
    rows, columns = np.mgrid[:side, :side].astype(np.float32) / side
    at = np.column_stack([columns.ravel(), rows.ravel(), np.zeros(side * side, np.float32)])
    noise = ValueNoise(rng)
    cloth = _muted(rng) * (1 + 0.35 * noise(at, 0.12, 3))[:, None]
    if rng.random() < 0.3:
        stripes = smoothstep(0.45, 0.55, (at[:, 0] * rng.uniform(8, 30) + 0.15 * noise(at, 0.2)) % 1)
        cloth += stripes[:, None] * (_muted(rng) - cloth)
    return np.clip(cloth, 0, 1).reshape(side, side, 3).astype(np.float32)


def wear(
    image: Float32[np.ndarray, "s s 3"],
    neck: Float32[np.ndarray, "2"],
    width: float,
    cloth: Float32[np.ndarray, "s s 3"],
) -> None:
    """Draw shoulders in clothes into a linear image, in place.

    Args:
        image: linear RGB.
        neck: where the neck ends, px.
        width: of the neck, px.
        cloth: linear RGB.
    """
    side = image.shape[0]
    rows, columns = np.mgrid[:side, :side].astype(np.float32)
    across = np.abs(columns - neck[0]) / width
    # A round collar, then shoulders that fall away.
    top = neck[1] + width * np.where(across < 0.62, 0.12 - 0.55 * across**2, -0.09 + 0.28 * (across - 0.62))
    cover = smoothstep(-1.0, 1.0, rows - top) * smoothstep(2.3, 2.25, across)
    image += cover[..., None] * (cloth - image)


def _muted(rng: np.random.Generator) -> Float64[np.ndarray, "3"]:
    """Return a colour, linear RGB; strong ones are rare."""
    grey = float(np.exp(rng.uniform(-3.5, -0.4)))
    return grey * np.exp(rng.normal(0, rng.uniform(0.05, 0.5), 3))
