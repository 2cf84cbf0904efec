"""Texels from an image, in NumPy."""

from __future__ import annotations

import numpy as np

from tddfa.imaging.sample import Reduced
from tddfa.render.kernel_values import EDGE_ON, TRUSTED, FaceView, TexelLayout
from tddfa.render.numpy_kernel.surface import weighted
from tddfa.shapes import Float32, Shaped
from tddfa.types import Mesh


def texels(
    mesh: Mesh,
    normals: Float32[np.ndarray, "n_vertices 3"],
    layout: TexelLayout,
    part: Reduced,
    view: FaceView,
) -> tuple[Float32[np.ndarray, "3 size size"], Float32[np.ndarray, "size size"]]:
    """Return the colours of the texels of a mesh, and the trust in them: 1 seen from the front, 0 not seen.

    Args:
        mesh: in the image frame.
        normals: normals of its vertices.
        layout: where the texels lie on the mesh.
        part: the image, or a smaller copy of a part of it; colours between its pixels are bilinear.
        view: what hides what.
    """
    one = np.float32(1)
    colors = np.zeros((3, layout.size * layout.size), np.float32)
    trust = np.zeros(layout.size * layout.size, np.float32)
    weights = np.pad(layout.weights, [(0, 0), (1, 0)])  # that of the first corner is not used
    cosine = -weighted(normals[:, 2:], layout.corners, weights)[:, 0]
    x, y, z = weighted(mesh.vertices, layout.corners, weights).T
    height, width = (np.float32(v) for v in view.image_size)
    half = np.float32(0.5)
    chosen = (cosine > EDGE_ON) & (x >= -half) & (x <= width - half) & (y >= -half) & (y <= height - half)
    at = np.flatnonzero(chosen)
    x, y, z, cosine = x[at], y[at], z[at], cosine[at]
    x0, y0, columns, rows = view.region
    per_px, cell = np.float32(view.scale), one / np.float32(view.scale)
    column, row = x * per_px - np.float32(x0), y * per_px - np.float32(y0)
    near_column, near_row = (
        np.rint(np.clip(v, np.float32(0), np.float32(n - 1))).astype(np.int64)
        for v, n in ((column, columns), (row, rows))
    )
    # The surface may rise by its slope within the cell it falls into.
    slope = np.sqrt(np.maximum(one - cosine * cosine, np.float32(0))) / cosine
    shown = z <= (view.depth[near_row, near_column] + (np.float32(0.71) * slope) * cell) + one
    trusted = np.clip((cosine - EDGE_ON) / (TRUSTED - EDGE_ON), np.float32(0), one)
    trusted *= _between(view.edge_distance[..., None], column, row)[:, 0]
    shown &= trusted > 0
    texel = layout.texel_index[at[shown]]
    trust[texel] = trusted[shown]
    scale, shift = part.scale, part.shift
    colors[:, texel] = _between(part.image, x[shown] * scale[0] + shift[0], y[shown] * scale[1] + shift[1]).T
    return colors.reshape(3, layout.size, layout.size), trust.reshape(layout.size, layout.size)


def _between(
    values: Shaped[np.ndarray, "h w c"], x: Float32[np.ndarray, " n"], y: Float32[np.ndarray, " n"]
) -> Float32[np.ndarray, "n c"]:
    """Return values between the pixels of an image, bilinear; beyond the border the border's."""
    height, width = values.shape[:2]
    x, y = np.clip(x, np.float32(0), np.float32(width - 1)), np.clip(y, np.float32(0), np.float32(height - 1))
    left, up = x.astype(np.int64), y.astype(np.int64)
    right, down = np.minimum(left + 1, width - 1), np.minimum(up + 1, height - 1)
    x, y = (x - left.astype(np.float32))[:, None], (y - up.astype(np.float32))[:, None]
    a, b, c, d = (
        values[row, column].astype(np.float32)
        for row, column in ((up, left), (up, right), (down, left), (down, right))
    )
    above, under = a + x * (b - a), c + x * (d - c)
    return above + y * (under - above)
