"""Drawn pixels over a background."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

import numpy as np

from tddfa.errors import InputError
from tddfa.render.kernel import kernel
from tddfa.render.numpy_kernel import blend, composed
from tddfa.render.rasterizer import Layer, reach
from tddfa.shapes import Float, Float32, Int64, UInt8
from tddfa.types import Image, Mesh

Background: TypeAlias = Literal["photo", "black", "transparent"]
"""What shows where nothing is drawn: the photo, black, or nothing (the picture is then RGBA)."""

Picture: TypeAlias = UInt8[np.ndarray, "height width channels"]
"""RGB, or RGBA with a transparent background."""


def canvas(image: Image, background: Background) -> Picture:
    """A new picture to draw on, of the size of `image`."""
    if background == "photo":
        return np.ascontiguousarray(image).copy()
    if background == "black":
        return np.zeros(image.shape, np.uint8)
    if background == "transparent":
        return np.zeros((*image.shape[:2], 4), np.uint8)
    raise InputError(f"no background {background!r}; choose one of {', '.join(get_args(Background))}")


def paint(
    image: Image,
    meshes: Sequence[Mesh],
    values: Sequence[Float32[np.ndarray, "_ c"]],
    *,
    alpha: float = 1.0,
    background: Background = "photo",
) -> Picture:
    """Meshes in the given colours over a background.

    Args:
        image: the photo.
        meshes: in the image frame.
        values: RGB or grey of each vertex of each mesh, in [0, 1].
        alpha: how much of the photo the surface hides; over black it always hides all.
        background: what lies under and around the surface.
    """
    out = canvas(image, background)
    if meshes:
        region = reach(meshes, *image.shape[:2])
        kernel.paint(out, image if background == "photo" else None, meshes, values, region, alpha)
    return out


def paint_layer(
    image: Image, layer: Layer, *, alpha: float = 1.0, background: Background = "photo"
) -> Picture:
    """As `paint`, with the values of pixels rather than of vertices."""
    out = canvas(image, background)
    photo = image if background == "photo" else None
    blend(out, photo, (layer.x0, layer.y0), layer.mask, layer.values, alpha)
    return out


def tint(
    picture: Picture,
    coverage: UInt8[np.ndarray, "h w"],
    color: tuple[int, int, int],
    *,
    alpha: float = 1.0,
    x0: int = 0,
    y0: int = 0,
) -> None:
    """Lay a colour over `picture`, in place, where and as much as `coverage` says.

    Args:
        picture: the canvas, RGB or RGBA.
        coverage: 255 is a full pixel; its first pixel lies at (x0, y0) of the canvas.
        color: RGB, 0 to 255.
        alpha: opacity of a fully covered pixel.
        x0: column, inside the canvas.
        y0: row, inside the canvas.
    """
    kernel.tint(picture, coverage, color, alpha, (x0, y0))


def tint_pixels(
    picture: Picture,
    rows: Int64[np.ndarray, " n"],
    columns: Int64[np.ndarray, " n"],
    color: tuple[int, int, int],
    alpha: float,
) -> None:
    """Lay a colour over some pixels of `picture`, in place; over one that is named twice, once.

    Args:
        picture: the canvas, RGB or RGBA, contiguous.
        rows: of the pixels.
        columns: of the pixels.
        color: RGB, 0 to 255.
        alpha: opacity.
    """
    flat = rows * picture.shape[1] + columns
    if picture.shape[2] == 3:
        under = (1 - alpha) * np.arange(256, dtype=np.float32)
        kernel.recolor(picture, flat, np.stack([np.rint(alpha * c + under).astype(np.uint8) for c in color]))
        return
    pixels = picture.reshape(-1, 4)
    pixels[flat] = composed(pixels[flat], color, np.full(len(flat), alpha, np.float32))


def window(
    points: Float[np.ndarray, "n d"], margin: float, height: int, width: int
) -> tuple[int, int, int, int]:
    """The part of a picture that holds the points and a margin: first column and row, width and height."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    return window_between(low.tolist(), high.tolist(), margin, height, width)


def window_between(
    low: Sequence[float], high: Sequence[float], margin: float, height: int, width: int
) -> tuple[int, int, int, int]:
    """The part of a picture between two corners, with a margin: first column and row, width and height."""
    # A few numbers: NumPy would take longer over them than all drawing.
    x0, y0 = (min(max(math.floor(v - margin), 0), n) for v, n in zip(low, (width, height), strict=True))
    x1, y1 = (
        min(max(math.ceil(v + margin) + 1, start), n)
        for v, start, n in zip(high, (x0, y0), (width, height), strict=True)
    )
    return x0, y0, x1 - x0, y1 - y0
