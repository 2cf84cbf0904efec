"""Values and colours over images, in NumPy."""

from __future__ import annotations

import numpy as np

from tddfa.render.kernel_values import Region
from tddfa.render.numpy_kernel.rasterization import interpolate
from tddfa.render.numpy_kernel.surface import clamped
from tddfa.shapes import Bool, Float32, Int64, UInt8
from tddfa.types import Mesh


def paint(
    canvas: UInt8[np.ndarray, "height width channels"],
    image: UInt8[np.ndarray, "height width 3"] | None,
    mesh: Mesh,
    values: Float32[np.ndarray, "n_vertices c"],
    region: Region,
    alpha: float,
) -> None:
    """Draw a mesh over a canvas, in place.

    Args:
        canvas: RGB or RGBA; unchanged where nothing is drawn.
        image: the image that shines through the mesh, for an RGB canvas; None for nothing.
        mesh: in the image frame.
        values: grey or RGB of each vertex, in [0, 1].
        region: part of the canvas; nothing is drawn outside of it.
        alpha: share of the mesh's colour, the rest is the image's; without an image, alpha of an RGBA canvas.
    """
    depth, drawn = interpolate([mesh], [values], region, 1.0)
    blend(canvas, image, region[:2], depth < np.inf, drawn, alpha)


def blend(
    canvas: UInt8[np.ndarray, "height width channels"],
    image: UInt8[np.ndarray, "height width 3"] | None,
    origin: tuple[int, int],
    mask: Bool[np.ndarray, "h w"],
    values: Float32[np.ndarray, "h w c"],
    alpha: float,
) -> None:
    """Lay grey or RGB values over the part of a canvas that starts at `origin`, in place; as `paint`."""
    rows = slice(origin[1], origin[1] + mask.shape[0])
    columns = slice(origin[0], origin[0] + mask.shape[1])
    level = clamped(values[mask]) * np.float32(255)
    if image is not None:
        under = image[rows, columns][mask].astype(np.float32)
        level = np.float32(alpha) * level + np.float32(1 - alpha) * under
    part = canvas[rows, columns]
    part[mask, :3] = np.rint(level).astype(np.uint8)
    part[mask, 3:] = round(255 * alpha)


def direction_colors(vectors: Float32[np.ndarray, "*shape 3"]) -> Float32[np.ndarray, "*shape 3"]:
    """Return directions in the image frame as colours: red grows to the right, green up, blue to the viewer.

    Args:
        vectors: of any length; a vector of length 0 has the colour 0.5.

    Returns:
        RGB, 0 to 1; 0.5 is 0.
    """
    x, y, z = (vectors[..., k] for k in range(3))
    length = np.maximum(np.sqrt((x * x + y * y) + z * z), np.finfo(np.float32).tiny)[..., None]
    return (vectors / length * np.array([1, -1, -1], np.float32) + np.float32(1)) * np.float32(0.5)


def blend_color(
    canvas: UInt8[np.ndarray, "height width channels"],
    coverage: UInt8[np.ndarray, "h w"],
    color: tuple[int, int, int],
    alpha: float,
    origin: tuple[int, int],
) -> None:
    """Lay a colour over the part of a canvas that starts at `origin`, in place; see `compose.blend_color`."""
    # Ten times faster than np.nonzero(coverage).
    rows, columns = np.divmod(np.flatnonzero(coverage != 0), coverage.shape[1])
    over = np.float32(alpha / 255) * coverage[rows, columns].astype(np.float32)
    at = rows + origin[1], columns + origin[0]
    canvas[at] = blended(canvas[at], color, over)


def blended(
    under: UInt8[np.ndarray, "n channels"], color: tuple[int, int, int], alpha: Float32[np.ndarray, " n"]
) -> UInt8[np.ndarray, "n channels"]:
    """Return RGB or RGBA pixels under a colour.

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
    canvas: UInt8[np.ndarray, "height width 3"],
    pixels: Int64[np.ndarray, " n"],
    tables: UInt8[np.ndarray, "3 256"],
) -> None:
    """Send some pixels of a canvas through a table, in place.

    Args:
        canvas: RGB, contiguous.
        pixels: flat indices of the pixels; one that is named twice is changed once.
        tables: for each channel, the new value of each level.
    """
    flat = canvas.reshape(-1, 3)
    for k in range(3):
        flat[pixels, k] = tables[k, flat[pixels, k]]
