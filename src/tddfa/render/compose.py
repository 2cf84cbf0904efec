"""Drawn pixels over a background."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

import numpy as np

from tddfa.render.kernel import kernel
from tddfa.render.numpy_kernel import blended
from tddfa.render.rasterizer import Layer, back_to_front, screen_region
from tddfa.shapes import Float, Float32, Int64, UInt8
from tddfa.types import Face, Image
from tddfa.types.arguments import check_alpha, check_choice

Background: TypeAlias = Literal["photo", "black", "transparent"]
"""What shows where nothing is drawn: the image, black, or nothing (the result is then RGBA)."""

Drawing: TypeAlias = UInt8[np.ndarray, "_height _width _channels"]
"""An image that was drawn: RGB, or RGBA with a transparent background."""


def canvas(image: Image, background: Background) -> Drawing:
    """Return a new image to draw on, of the size of `image`.

    Raises:
        InputError: there is no such background.
    """
    check_choice("background", background, get_args(Background))
    if background == "photo":
        return np.ascontiguousarray(image).copy()
    return np.zeros((*image.shape[:2], 3 if background == "black" else 4), np.uint8)


def paint(
    image: Image,
    faces: Sequence[Face],
    values: Sequence[Float32[np.ndarray, "_ c"]],
    *,
    alpha: float = 1.0,
    background: Background = "photo",
) -> Drawing:
    """Return the meshes of faces in the given colours over a background.

    Args:
        image: the image of the faces.
        faces: faces to draw; a nearer face hides a farther one as a whole.
        values: RGB or grey of each vertex of each face, in [0, 1].
        alpha: share of the image that the surface hides; over black it always hides all.
        background: what lies under and around the surface.

    Raises:
        InputError: the opacity or the background is not possible, or a mesh is out of reach.
    """
    check_alpha(alpha)
    out = canvas(image, background)
    under = image if background == "photo" else None
    for k in back_to_front(faces):
        mesh = faces[k].mesh
        kernel.paint(out, under, mesh, values[k], screen_region([mesh], *image.shape[:2]), alpha)
    return out


def paint_layer(
    image: Image, layer: Layer, *, alpha: float = 1.0, background: Background = "photo"
) -> Drawing:
    """As `paint`, with the values of pixels rather than of vertices."""
    check_alpha(alpha)
    out = canvas(image, background)
    under = image if background == "photo" else None
    kernel.blend(out, under, (layer.x0, layer.y0), layer.mask, layer.values, alpha)
    return out


def blend_color(
    drawing: Drawing,
    coverage: UInt8[np.ndarray, "h w"],
    color: tuple[int, int, int],
    *,
    alpha: float = 1.0,
    x0: int = 0,
    y0: int = 0,
) -> None:
    """Lay a colour over an image, in place, as much as `coverage` says.

    Args:
        drawing: RGB or RGBA.
        coverage: 255 for a full pixel; its first pixel lies at (x0, y0) of the image.
        color: RGB, 0 to 255.
        alpha: opacity of a fully covered pixel.
        x0: column, inside the image.
        y0: row, inside the image.
    """
    kernel.blend_color(drawing, coverage, color, alpha, (x0, y0))


def blend_color_at(
    drawing: Drawing,
    rows: Int64[np.ndarray, " n"],
    columns: Int64[np.ndarray, " n"],
    color: tuple[int, int, int],
    alpha: float,
) -> None:
    """Lay a colour over some pixels of an image, in place; over one that is named twice, once.

    Args:
        drawing: RGB or RGBA, contiguous.
        rows: rows of the pixels.
        columns: columns of the pixels.
        color: RGB, 0 to 255.
        alpha: opacity.
    """
    flat = rows * drawing.shape[1] + columns
    if drawing.shape[2] == 3:
        under = (1 - alpha) * np.arange(256, dtype=np.float32)
        kernel.recolor(drawing, flat, np.stack([np.rint(alpha * c + under).astype(np.uint8) for c in color]))
        return
    pixels = drawing.reshape(-1, 4)
    pixels[flat] = blended(pixels[flat], color, np.full(len(flat), alpha, np.float32))


def window(
    points: Float[np.ndarray, "n d"], margin: float, height: int, width: int
) -> tuple[int, int, int, int]:
    """Return the part of an image that holds points and a margin: first column and row, width and height."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    return window_between(low.tolist(), high.tolist(), margin, height, width)


def window_between(
    low: Sequence[float], high: Sequence[float], margin: float, height: int, width: int
) -> tuple[int, int, int, int]:
    """Return the part of an image between two corners, with a margin: first column, row, width and height."""
    # A few numbers: NumPy would take longer over them than all drawing.
    x0, y0 = (min(max(math.floor(v - margin), 0), n) for v, n in zip(low, (width, height), strict=True))
    x1, y1 = (
        min(max(math.ceil(v + margin) + 1, start), n)
        for v, start, n in zip(high, (x0, y0), (width, height), strict=True)
    )
    return x0, y0, x1 - x0, y1 - y0
