"""The kernel in NumPy: the specification, and what runs where the native one is not built.

Exact by construction: corners are snapped to 1/256 px and all tests are made on integers, so two triangles
that share an edge share no pixel and leave none out.

Source: Pineda, "A parallel algorithm for polygon rasterization", 1988 (edge functions); the top-left rule
of Direct3D.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from tddfa.geometry import triangles as triangles_module
from tddfa.imaging.sample import Reduced
from tddfa.render.lighting import Light, UnitCube
from tddfa.shapes import Bool, Float32, Int32, Int64, Shaped, UInt8, UInt64
from tddfa.types import Mesh

SUBPIXELS = 256
"""Steps of the fixed-point grid per pixel."""

MAX_COORDINATE = 2.0**21
"""Largest |x| and |y| in px whose edge functions fit in 64 bits."""

Region: TypeAlias = tuple[int, int, int, int]
"""First column, first row, width and height of a part of a picture."""

Buffers: TypeAlias = tuple[Int32[np.ndarray, "h w"], Float32[np.ndarray, "h w 3"], Float32[np.ndarray, "h w"]]
"""Triangle (−1: none), weights of its corners, depth (infinite: none)."""

EDGE_ON, TRUSTED = np.float32(0.26), np.float32(0.6)
"""Cosine between the surface and the viewer at which a texel begins to be trusted, and is fully: seen more
edge-on than 75°, a pixel is smeared over many texels."""

PER_LIGHT = np.float32(1 / 56)
"""1 / levels: colours of two halves of a face that differ by so many are not the same skin in other light."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Where each texel lies on a mesh.

    Attributes:
        size: of the texture, texels a side.
        covered: texels that belong to the face.
        place: their flat indices.
        corners: the vertices of the triangle of each of them.
        weights: of the second and the third corner.
        symmetric: whether the layout is its own mirror image.
    """

    size: int
    covered: Bool[np.ndarray, "size size"]
    place: Int32[np.ndarray, " n_covered"]
    corners: Int32[np.ndarray, "n_covered 3"]
    weights: Float32[np.ndarray, "n_covered 2"]
    symmetric: bool


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What a photo shows of a face, in the part of it that the face reaches, in cells of a pixel or more.

    Attributes:
        photo: height and width of the photo.
        scale: cells per px.
        region: that part, in cells.
        depth: of the nearest surface of any face; infinite where there is none.
        far: from the outline of the face, 0 to 1, where the mesh may miss the face to where it does not.
    """

    photo: tuple[int, int]
    scale: float
    region: Region
    depth: Float32[np.ndarray, "h w"]
    far: Float32[np.ndarray, "h w"]


_CHUNK = 1 << 20  # rows or pixels held at once; bounds the memory when triangles are large


def rasterize(meshes: Sequence[Mesh], region: Region, *, cull_back: bool) -> Buffers:
    """The nearest triangle, the weights of its corners, and the depth of each pixel of a region."""
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
    """The depth of each pixel of a region of the scaled picture; infinite where there is no surface."""
    return rasterize(_scaled(meshes, scale), region, cull_back=False)[2]


def interpolate(
    meshes: Sequence[Mesh], values: Sequence[Float32[np.ndarray, "_ c"]], region: Region, scale: float
) -> tuple[Float32[np.ndarray, "h w"], Float32[np.ndarray, "h w c"]]:
    """The depth of each pixel of a region of the scaled picture, and the vertex values of that surface."""
    triangle, barycentric, depth = rasterize(_scaled(meshes, scale), region, cull_back=False)
    mask = triangle >= 0
    out = np.zeros((*mask.shape, values[0].shape[1]), np.float32)
    _, triangles = _joined(meshes)
    out[mask] = weighted(np.concatenate(values), triangles[triangle[mask]], barycentric[mask])
    return depth, out


def _scaled(meshes: Sequence[Mesh], scale: float) -> list[Mesh]:
    factors = np.array([scale, scale, 1], np.float32)
    return [Mesh(mesh.vertices * factors, mesh.topology) for mesh in meshes]


def weighted(
    values: Float32[np.ndarray, "n_vertices c"],
    corners: Int32[np.ndarray, "n 3"],
    barycentric: Float32[np.ndarray, "n 3"],
) -> Float32[np.ndarray, "n c"]:
    """Vertex values at places inside triangles."""
    # As offsets from the first corner: a constant stays that constant to the last bit.
    first = values[corners[:, 0]]
    return (
        first
        + barycentric[:, 1:2] * (values[corners[:, 1]] - first)
        + barycentric[:, 2:3] * (values[corners[:, 2]] - first)
    )


def bounds(vertices: Float32[np.ndarray, "n 3"]) -> Float32[np.ndarray, "2 3"]:
    """Smallest and largest coordinates of one vertex or more; NaN where one is not finite."""
    # Column by column: along the first axis NumPy takes ten times as long.
    out = np.array([[reduce(vertices[:, k]) for k in range(3)] for reduce in (np.min, np.max)], np.float32)
    out[:, ~np.isfinite(out).all(axis=0)] = np.nan
    return out


def vertex_normals(mesh: Mesh) -> Float32[np.ndarray, "n_vertices 3"]:
    """The outward unit normal of each vertex, image frame."""
    return triangles_module.vertex_normals(mesh.vertices, mesh.triangles)


def phong(
    vertices: Float32[np.ndarray, "n 3"], normals: Float32[np.ndarray, "n 3"], light: Light
) -> Float32[np.ndarray, "n 1"]:
    """Brightness of each vertex, in [0, 1]; see `tddfa.render.lighting`."""
    cube = UnitCube.around(bounds(vertices))
    ambient, directional, specular = np.array([light.ambient, light.directional, light.specular], np.float32)
    to_lamp = [np.float32(light.position[k]) - cube.coordinate(vertices, k) for k in range(3)]
    square = (to_lamp[0] * to_lamp[0] + to_lamp[1] * to_lamp[1]) + to_lamp[2] * to_lamp[2]
    with np.errstate(invalid="ignore", divide="ignore"):  # a lamp on the surface
        per_length = np.float32(1) / np.sqrt(square)
        x, y, z = (component * per_length for component in to_lamp)
        nx, ny, nz = normals[:, 0], normals[:, 1], -normals[:, 2]
        cosine = (nx * x + ny * y) + nz * z
        twice = np.float32(2) * cosine
        powers = [_power(a * (twice * n - a), light.exponent) for a, n in ((x, nx), (y, ny), (z, nz))]
        highlight = (powers[0] + powers[1]) + powers[2]
        mirrored = np.where(cosine != 0, _clamp(highlight), np.float32(0))
        return _clamp((ambient + directional * _clamp(cosine)) + specular * mirrored)[:, None]


def paint(
    picture: UInt8[np.ndarray, "height width channels"],
    photo: UInt8[np.ndarray, "height width 3"] | None,
    meshes: Sequence[Mesh],
    values: Sequence[Float32[np.ndarray, "_ c"]],
    region: Region,
    alpha: float,
) -> None:
    """Draw meshes into a picture, in place.

    Args:
        picture: RGB or RGBA; where nothing is drawn it stays.
        photo: what shines through the meshes, for an RGB picture; None for nothing.
        meshes: in the image frame.
        values: grey or RGB of each vertex of each mesh, in [0, 1].
        region: inside the picture; nothing is drawn outside of it.
        alpha: part of the colour, the rest is the photo's; without a photo, alpha of an RGBA picture.
    """
    depth, drawn = interpolate(meshes, values, region, 1.0)
    blend(picture, photo, region[:2], depth < np.inf, drawn, alpha)


def blend(
    picture: UInt8[np.ndarray, "height width channels"],
    photo: UInt8[np.ndarray, "height width 3"] | None,
    origin: tuple[int, int],
    mask: Bool[np.ndarray, "h w"],
    values: Float32[np.ndarray, "h w c"],
    alpha: float,
) -> None:
    """Lay grey or RGB values over the part of a picture that starts at `origin`, in place; as `paint`."""
    rows = slice(origin[1], origin[1] + mask.shape[0])
    columns = slice(origin[0], origin[0] + mask.shape[1])
    level = _clamp(values[mask]) * np.float32(255)
    if photo is not None:
        under = photo[rows, columns][mask].astype(np.float32)
        level = np.float32(alpha) * level + np.float32(1 - alpha) * under
    part = picture[rows, columns]
    part[mask, :3] = np.rint(level).astype(np.uint8)
    part[mask, 3:] = round(255 * alpha)


def tint(
    picture: UInt8[np.ndarray, "height width channels"],
    coverage: UInt8[np.ndarray, "h w"],
    color: tuple[int, int, int],
    alpha: float,
    origin: tuple[int, int],
) -> None:
    """Lay a colour over the part of a picture that starts at `origin`, in place; see `compose.tint`."""
    # Ten times faster than np.nonzero(coverage).
    rows, columns = np.divmod(np.flatnonzero(coverage != 0), coverage.shape[1])
    over = np.float32(alpha / 255) * coverage[rows, columns].astype(np.float32)
    at = rows + origin[1], columns + origin[0]
    picture[at] = composed(picture[at], color, over)


def composed(
    under: UInt8[np.ndarray, "n channels"], color: tuple[int, int, int], alpha: Float32[np.ndarray, " n"]
) -> UInt8[np.ndarray, "n channels"]:
    """RGB or RGBA pixels under a colour.

    Source: Porter and Duff, "Compositing digital images", 1984 (over).
    """
    one, full, over = np.float32(1), np.float32(255), alpha[:, None]
    top, out = np.array(color, np.float32), under.astype(np.float32)
    if under.shape[1] == 4:
        below = out[:, 3:] / full * (one - over)
        total = np.maximum(over + below, np.float32(1e-6))
        out[:, :3] = (over * top + below * out[:, :3]) / total
        out[:, 3:] = full * total
    else:
        out = over * top + (one - over) * out
    return np.rint(out).astype(np.uint8)


def recolor(
    picture: UInt8[np.ndarray, "height width 3"],
    places: Int64[np.ndarray, " n"],
    tables: UInt8[np.ndarray, "3 256"],
) -> None:
    """Send some pixels of a picture through a table, in place.

    Args:
        picture: RGB, contiguous.
        places: flat indices of the pixels; one that is named twice is changed once.
        tables: of each channel, what becomes of its levels.
    """
    pixels = picture.reshape(-1, 3)
    for k in range(3):
        pixels[places, k] = tables[k, pixels[places, k]]


def texels(
    mesh: Mesh,
    normals: Float32[np.ndarray, "n_vertices 3"],
    layout: Layout,
    picture: Reduced,
    view: View,
) -> tuple[Float32[np.ndarray, "3 size size"], Float32[np.ndarray, "size size"]]:
    """The colours of the texels of a mesh, and how well the photo shows them: 1 from the front, 0 not at all.

    Args:
        mesh: in the image frame.
        normals: of its vertices.
        layout: where the texels lie on the mesh.
        picture: the photo, or less of it; bilinear between its pixels.
        view: what hides what.
    """
    one = np.float32(1)
    colors = np.zeros((3, layout.size * layout.size), np.float32)
    trust = np.zeros(layout.size * layout.size, np.float32)
    weights = np.pad(layout.weights, [(0, 0), (1, 0)])  # that of the first corner is not used
    cosine = -weighted(normals[:, 2:], layout.corners, weights)[:, 0]
    x, y, z = weighted(mesh.vertices, layout.corners, weights).T
    height, width = (np.float32(v) for v in view.photo)
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
    trusted *= _between(view.far[..., None], column, row)[:, 0]
    shown &= trusted > 0
    place = layout.place[at[shown]]
    trust[place] = trusted[shown]
    scale, shift = picture.scale, picture.shift
    colors[:, place] = _between(
        picture.image, x[shown] * scale[0] + shift[0], y[shown] * scale[1] + shift[1]
    ).T
    return colors.reshape(3, layout.size, layout.size), trust.reshape(layout.size, layout.size)


def _between(
    values: Shaped[np.ndarray, "h w c"], x: Float32[np.ndarray, " n"], y: Float32[np.ndarray, " n"]
) -> Float32[np.ndarray, "n c"]:
    """Values between the pixels of a picture, bilinear; beyond the border the border's."""
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


def complete(
    colors: Float32[np.ndarray, "3 size size"], trust: Float32[np.ndarray, "size size"], *, symmetric: bool
) -> UInt8[np.ndarray, "size size 3"]:
    """A texture without holes.

    Where it is not trusted it mirrors its other half; what then is left is filled smoothly.

    Args:
        colors: 0 to 255, as far as they are trusted.
        trust: in [0, 1].
        symmetric: whether the layout is its own mirror image.
    """
    size = len(trust)
    one = np.float32(1)
    known, sums = trust, trust * colors
    if symmetric:
        # Light falls differently on the halves: carry the coarse difference, known where both are seen, over.
        # What differs more than light does is hair, a hand or background on one side.
        other, other_trust = colors[:, :, ::-1], trust[:, ::-1]
        difference = colors - other
        most = np.abs(difference).max(axis=0) * PER_LIGHT
        rest = np.maximum(one - most * most, np.float32(0))
        weight = np.minimum(trust, other_trust) * (rest * rest)
        smooth = coarse_levels(size)
        carried = push_pull(_padded(difference * weight), _padded(weight), smooth)[:, :size, :size]
        part = (one - trust) * other_trust
        known = trust + part
        sums = trust * colors + part * (other + carried)
    full = push_pull(_padded(sums), _padded(known), 0)[:, :size, :size]
    return np.ascontiguousarray(np.moveaxis(np.rint(np.clip(full, 0, 255)).astype(np.uint8), 0, -1))


def coarse_levels(size: int) -> int:
    """How many of the finest levels of a texture the difference in light leaves out."""
    return max(size.bit_length() - 5, 0)


def _padded(a: Float32[np.ndarray, "*c size size"]) -> Float32[np.ndarray, "*c side side"]:
    size = a.shape[-1]
    more = (0, (1 << (size - 1).bit_length()) - size)
    return np.pad(a, [(0, 0)] * (a.ndim - 2) + [more, more])


def push_pull(
    sums: Float32[np.ndarray, "c side side"], known: Float32[np.ndarray, "side side"], smooth: int
) -> Float32[np.ndarray, "c side side"]:
    """Smooth values everywhere: those given where the weight is 1, and what surrounds them where it is 0.

    Args:
        sums: values times weights, in squares whose side is a power of two.
        known: the weights, in [0, 1].
        smooth: so many of the finest levels are left out, also where values are known.

    Source: Gortler et al., "The lumigraph", 1996, section 3.4 (push-pull).
    """
    levels = [(sums, known)]
    while len(known) > 1:
        sums, known = _halved(sums), _halved(known)
        # Weights saturate at 1: a cell with one trusted value is as sure as one with four.
        scale = np.float32(1) / np.maximum(known, np.float32(1))
        sums, known = sums * scale, known * scale
        levels.append((sums, known))
    full = sums / np.maximum(known, np.finfo(np.float32).tiny)
    for level in reversed(range(len(levels) - 1)):
        sums, known = levels[level]
        full = _doubled(full)
        if level >= smooth:
            full = sums + (np.float32(1) - known) * full
    return full


def _halved(a: Float32[np.ndarray, "*c h w"]) -> Float32[np.ndarray, "*c h2 w2"]:
    rows = a[..., 0::2, :] + a[..., 1::2, :]
    return rows[..., 0::2] + rows[..., 1::2]


def _doubled(a: Float32[np.ndarray, "c h w"]) -> Float32[np.ndarray, "c h2 w2"]:
    """Twice the size, linear between the centres of the cells."""
    for axis in (1, 2):
        near, far = np.float32(0.75) * a, np.float32(0.25) * a
        shape = list(a.shape)
        shape[axis] *= 2
        a = np.empty(shape, np.float32)
        out, near, far = (np.moveaxis(v, axis, 0) for v in (a, near, far))
        out[0::2] = out[1::2] = near
        out[2::2] += far[:-1]
        out[0] += far[0]
        out[1:-1:2] += far[1:]
        out[-1] += far[-1]
    return a


def _clamp(values: Float32[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    return np.clip(np.nan_to_num(values), np.float32(0), np.float32(1))


def _power(base: Float32[np.ndarray, " n"], exponent: int) -> Float32[np.ndarray, " n"]:
    result = base
    for _ in range(exponent - 1):
        result = result * base
    return result


def _joined(
    meshes: Sequence[Mesh],
) -> tuple[Float32[np.ndarray, "n_vertices 3"], Int32[np.ndarray, "n_triangles 3"]]:
    """The meshes as one: their vertices, and their triangles in that numbering."""
    vertices = np.concatenate([np.zeros((0, 3), np.float32), *(m.vertices for m in meshes)])
    return vertices, joined_triangles(meshes)


def joined_triangles(meshes: Sequence[Mesh]) -> Int32[np.ndarray, "n_triangles 3"]:
    """The triangles of all meshes, for their vertices in one list."""
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
        """First and last column of each triangle in each row; first > last where it has none."""
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
        """Barycentric weights of the corners 1, 2 and 0 at the pixels' centres."""
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
        """Depth at those weights."""
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
    """Each owner once for every integer from its first to its last, with these integers."""
    counts = last - first + 1
    starts = np.cumsum(counts) - counts
    return np.repeat(owner, counts), np.arange(counts.sum()) + np.repeat(first - starts, counts)


def _split(counts: Int64[np.ndarray, " n"]) -> Iterator[slice]:
    """Slices of the items whose counts add up to about `_CHUNK` each."""
    total = np.cumsum(counts)
    start = 0
    while start < len(counts):
        done = total[start - 1] if start else 0
        stop = max(int(np.searchsorted(total, done + _CHUNK, side="right")), start + 1)
        yield slice(start, stop)
        start = stop
