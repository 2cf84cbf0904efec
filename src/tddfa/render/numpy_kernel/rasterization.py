"""Meshes to fragments, in NumPy.

Exact by construction: corners are snapped to 1/256 px and all tests are made on integers, so two triangles
that share an edge share no pixel and leave none out.

Source: Pineda, "A parallel algorithm for polygon rasterization", 1988 (edge functions); the top-left rule
of Direct3D.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from tddfa.render.kernel_values import SUBPIXELS, Buffers, Region
from tddfa.render.numpy_kernel.surface import weighted
from tddfa.shapes import Bool, Float32, Int32, Int64, UInt64
from tddfa.types import Mesh

_CHUNK = 1 << 20  # rows or pixels held at once; bounds the memory when triangles are large


def rasterize(meshes: Sequence[Mesh], region: Region, *, cull_back: bool) -> Buffers:
    """Return the nearest triangle, the weights of its corners, and the depth of each pixel of a region."""
    vertices, triangles = _joined(meshes)
    x0, y0, width, height = region
    corners = np.rint(vertices[:, :2] * np.float32(SUBPIXELS)).astype(np.int64)[triangles]
    x, y = corners[:, :, 0] - SUBPIXELS * x0, corners[:, :, 1] - SUBPIXELS * y0
    area = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (y[:, 1] - y[:, 0]) * (x[:, 2] - x[:, 0])
    keep = (area < 0) if cull_back else (area != 0)
    # Pixel centres lie on multiples of 256: first and last that the bounding box holds.
    left, right = -(-x.min(axis=1) // SUBPIXELS), x.max(axis=1) // SUBPIXELS
    top, bottom = -(-y.min(axis=1) // SUBPIXELS), y.max(axis=1) // SUBPIXELS
    top, bottom = np.maximum(top, 0), np.minimum(bottom, height - 1)
    keep &= (np.maximum(left, 0) <= np.minimum(right, width - 1)) & (top <= bottom)
    index = np.flatnonzero(keep)
    setup = _Setup(index, x[index], y[index], area[index], vertices[:, 2][triangles[index]])

    # Depth and triangle in one number, ordered as (nearer, lower index): the smallest wins.
    empty = np.iinfo(np.uint64).max
    nearest = np.full(height * width, empty, np.uint64)
    for rows in _split(bottom[index] - top[index] + 1):
        owner, row = _expand(np.arange(rows.start, rows.stop), top[index][rows], bottom[index][rows])
        first, last = setup.spans(owner, row, width)
        inside = first <= last
        owner, row, first, last = owner[inside], row[inside], first[inside], last[inside]
        for spans in _split(last - first + 1):
            which, column = _expand(np.arange(spans.start, spans.stop), first[spans], last[spans])
            pixel_owner, pixel_row = owner[which], row[which]
            b1, b2, _ = setup.weights(pixel_owner, column, pixel_row)
            key = _key(setup.depth(pixel_owner, b1, b2), setup.index[pixel_owner])
            np.minimum.at(nearest, pixel_row * width + column, key)

    triangle = np.full(height * width, -1, np.int32)
    barycentric = np.zeros((height * width, 3), np.float32)
    depth = np.full(height * width, np.inf, np.float32)
    drawn = np.flatnonzero(nearest != empty)
    winner = (nearest[drawn] & np.uint64(0xFFFFFFFF)).astype(np.int64)
    owner = np.searchsorted(setup.index, winner)
    b1, b2, b0 = setup.weights(owner, drawn % width, drawn // width)
    triangle[drawn] = winner
    barycentric[drawn] = np.stack([b0, b1, b2], axis=1)
    depth[drawn] = setup.depth(owner, b1, b2)
    return (
        triangle.reshape(height, width),
        barycentric.reshape(height, width, 3),
        depth.reshape(height, width),
    )


def depth(meshes: Sequence[Mesh], region: Region, scale: float) -> Float32[np.ndarray, "h w"]:
    """Return the depth of each pixel of a region of the scaled image; infinite where there is no surface."""
    return rasterize(_scaled(meshes, scale), region, cull_back=False)[2]


def interpolate(
    meshes: Sequence[Mesh], values: Sequence[Float32[np.ndarray, "_ c"]], region: Region, scale: float
) -> tuple[Float32[np.ndarray, "h w"], Float32[np.ndarray, "h w c"]]:
    """Return depth and vertex values of the surface at each pixel of a region of the scaled image."""
    triangle, barycentric, depth = rasterize(_scaled(meshes, scale), region, cull_back=False)
    mask = triangle >= 0
    out = np.zeros((*mask.shape, values[0].shape[1]), np.float32)
    _, triangles = _joined(meshes)
    out[mask] = weighted(np.concatenate(values), triangles[triangle[mask]], barycentric[mask])
    return depth, out


def _scaled(meshes: Sequence[Mesh], scale: float) -> list[Mesh]:
    factors = np.array([scale, scale, 1], np.float32)
    return [Mesh(mesh.vertices * factors, mesh.topology) for mesh in meshes]


def _joined(
    meshes: Sequence[Mesh],
) -> tuple[Float32[np.ndarray, "n_vertices 3"], Int32[np.ndarray, "n_triangles 3"]]:
    """Return the vertices of all meshes, and their triangles in that numbering."""
    vertices = np.concatenate([np.zeros((0, 3), np.float32), *(m.vertices for m in meshes)])
    return vertices, joined_triangles(meshes)


def joined_triangles(meshes: Sequence[Mesh]) -> Int32[np.ndarray, "n_triangles 3"]:
    """Return the triangles of all meshes, for their vertices in one array."""
    if len(meshes) == 1:
        return meshes[0].triangles
    starts = np.cumsum([0] + [len(m.vertices) for m in meshes])
    parts = [m.triangles + np.int32(start) for m, start in zip(meshes, starts, strict=False)]
    return np.concatenate([np.zeros((0, 3), np.int32), *parts])


class _Setup:
    """The triangles that may show, turned so that their edge functions are positive inside."""

    def __init__(
        self,
        index: Int64[np.ndarray, " m"],
        x: Int64[np.ndarray, "m 3"],
        y: Int64[np.ndarray, "m 3"],
        area: Int64[np.ndarray, " m"],
        z: Float32[np.ndarray, "m 3"],
    ) -> None:
        self.index, self.x, self.y = index, x, y
        sign = np.sign(area)
        # Edge k lies opposite corner k and starts at corner k + 1.
        self.dx = (np.roll(x, -2, axis=1) - np.roll(x, -1, axis=1)) * sign[:, None]
        self.dy = (np.roll(y, -2, axis=1) - np.roll(y, -1, axis=1)) * sign[:, None]
        # A pixel on an edge belongs to the triangle whose top or left edge it is.
        self.on_edge: Bool[np.ndarray, "m 3"] = (self.dy < 0) | ((self.dy == 0) & (self.dx > 0))
        self.per_area = np.float32(1) / np.abs(area).astype(np.float32)
        self.z0 = z[:, 0]
        self.dz1, self.dz2 = z[:, 1] - z[:, 0], z[:, 2] - z[:, 0]

    def spans(
        self, owner: Int64[np.ndarray, " n"], row: Int64[np.ndarray, " n"], width: int
    ) -> tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " n"]]:
        """Return first and last column of each triangle in each row; first > last where it has none."""
        first = np.zeros(len(owner), np.int64)
        last = np.full(len(owner), width - 1, np.int64)
        for k in range(3):
            start = (k + 1) % 3
            dx, dy = self.dx[owner, k], self.dy[owner, k]
            # Inside where slope · column + offset >= 0.
            slope = -SUBPIXELS * dy
            offset = (
                dx * (SUBPIXELS * row - self.y[owner, start]) + dy * self.x[owner, start]
            ) - ~self.on_edge[owner, k]
            rising, falling, level = slope > 0, slope < 0, slope == 0
            divisor = np.where(level, 1, np.abs(slope))
            quotient = np.floor_divide(offset, divisor)
            np.maximum(first, -quotient, out=first, where=rising)
            np.minimum(last, quotient, out=last, where=falling)
            last[level & (offset < 0)] = -1
        return first, last

    def weights(
        self, owner: Int64[np.ndarray, " n"], column: Int64[np.ndarray, " n"], row: Int64[np.ndarray, " n"]
    ) -> tuple[Float32[np.ndarray, " n"], Float32[np.ndarray, " n"], Float32[np.ndarray, " n"]]:
        """Return the barycentric weights of the corners 1, 2 and 0 at the pixels' centres."""
        b1, b2 = (
            (
                self.dx[owner, k] * (SUBPIXELS * row - self.y[owner, start])
                - self.dy[owner, k] * (SUBPIXELS * column - self.x[owner, start])
            ).astype(np.float32)
            * self.per_area[owner]
            for k, start in ((1, 2), (2, 0))
        )
        return b1, b2, (np.float32(1) - b1) - b2

    def depth(
        self,
        owner: Int64[np.ndarray, " n"],
        b1: Float32[np.ndarray, " n"],
        b2: Float32[np.ndarray, " n"],
    ) -> Float32[np.ndarray, " n"]:
        """Return the depth at those weights."""
        return (self.z0[owner] + b1 * self.dz1[owner]) + b2 * self.dz2[owner]


def _key(depth: Float32[np.ndarray, " n"], index: Int64[np.ndarray, " n"]) -> UInt64[np.ndarray, " n"]:
    # The bits of a float, with those of negative ones turned over, order as the floats do; + 0 makes one
    # zero of the two.
    bits = (depth + np.float32(0)).view(np.uint32)
    ordered = np.where(bits >> 31 != 0, ~bits, bits | np.uint32(0x80000000))
    return (ordered.astype(np.uint64) << np.uint64(32)) | index.astype(np.uint64)


def _expand(
    owner: Int64[np.ndarray, " n"], first: Int64[np.ndarray, " n"], last: Int64[np.ndarray, " n"]
) -> tuple[Int64[np.ndarray, " m"], Int64[np.ndarray, " m"]]:
    """Return each owner once for every integer from its first to its last, and these integers."""
    counts = last - first + 1
    starts = np.cumsum(counts) - counts
    return np.repeat(owner, counts), np.arange(counts.sum()) + np.repeat(first - starts, counts)


def _split(counts: Int64[np.ndarray, " n"]) -> Iterator[slice]:
    """Yield slices of the items whose counts add up to about `_CHUNK` each."""
    total = np.cumsum(counts)
    start = 0
    while start < len(counts):
        done = total[start - 1] if start else 0
        stop = max(int(np.searchsorted(total, done + _CHUNK, side="right")), start + 1)
        yield slice(start, stop)
        start = stop
