"""Drawn pixels over a background."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np
from jaxtyping import Float, UInt8

from tddfa.errors import InputError
from tddfa.render.fragments import Fragments
from tddfa.types import Image

Background: TypeAlias = Literal["photo", "black", "transparent"]
"""What shows where nothing is drawn: the photo, black, or nothing (the picture is then RGBA)."""

Picture: TypeAlias = UInt8[np.ndarray, "height width channels"]
"""RGB, or RGBA with a transparent background."""


def canvas(image: Image, background: Background) -> Picture:
    """A new picture to draw on, of the size of `image`."""
    if background == "photo":
        return image.copy()
    if background == "black":
        return np.zeros_like(image)
    if background == "transparent":
        return np.zeros((*image.shape[:2], 4), np.uint8)
    raise InputError(f"no background {background!r}; choose one of {', '.join(get_args(Background))}")


def paint(
    image: Image,
    fragments: Fragments,
    colors: Float[np.ndarray, "n_covered c"],
    *,
    alpha: float = 1.0,
    background: Background = "photo",
) -> Picture:
    """The surface in the given colours over a background.

    Args:
        image: the photo.
        fragments: which of its pixels show a surface.
        colors: RGB or grey of each covered pixel, in [0, 1].
        alpha: how much of the photo the surface hides; over black it always hides all.
        background: what lies under and around the surface.
    """
    out = canvas(image, background)
    part = out[fragments.region]
    rgb = np.broadcast_to(np.clip(colors, 0, 1) * np.float32(255), (len(colors), 3))
    mask = fragments.mask
    if background == "photo" and alpha < 1:
        rgb = np.float32(alpha) * rgb + np.float32(1 - alpha) * part[mask]
    part[mask, :3] = np.rint(rgb).astype(np.uint8)
    if background == "transparent":
        part[mask, 3] = round(255 * alpha)
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

    Source: Porter and Duff, "Compositing digital images", 1984 (over).
    """
    h, w = coverage.shape
    part = picture[y0 : y0 + h, x0 : x0 + w]
    rows, columns = np.nonzero(coverage)
    over = (np.float32(alpha / 255) * coverage[rows, columns])[:, None]
    under = part[rows, columns].astype(np.float32)
    if part.shape[2] == 4:
        below = under[:, 3:] / 255 * (1 - over)
        total = over + below
        under[:, :3] = (over * np.array(color, np.float32) + below * under[:, :3]) / total
        under[:, 3:] = 255 * total
    else:
        under = over * np.array(color, np.float32) + (1 - over) * under
    part[rows, columns] = np.rint(under).astype(np.uint8)


def window(
    points: Float[np.ndarray, "n d"], margin: float, height: int, width: int
) -> tuple[int, int, int, int]:
    """The part of a picture that holds the points and a margin: first column and row, width and height."""
    low, high = points[:, :2].min(axis=0) - margin, points[:, :2].max(axis=0) + margin
    x0, y0 = (int(v) for v in np.clip(np.floor(low), 0, [width, height]))
    x1, y1 = (int(v) for v in np.clip(np.ceil(high) + 1, [x0, y0], [width, height]))
    return x0, y0, x1 - x0, y1 - y0
