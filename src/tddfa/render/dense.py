"""The `2d_dense` overlay: the vertices that the camera sees."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from tddfa.imaging.draw import squares
from tddfa.render.compose import Background, Drawing, blend_color_at, canvas
from tddfa.render.kernel import kernel
from tddfa.render.visibility import DepthTest
from tddfa.shapes import Int64
from tddfa.types import Face, Image, Topology
from tddfa.types.arguments import as_color, check_alpha, check_count, faces_of

_SPACING = 3.5  # side of the cell of one dot, in sides of a dot; closer ones run into one another
_LARGEST_STRIDE = 1 << 24


def draw_dense(
    image: Image,
    faces: Iterable[Face],
    *,
    color: tuple[int, int, int] = (0, 255, 255),
    alpha: float = 0.8,
    stride: int | None = None,
    background: Background = "photo",
) -> Drawing:
    """Return the image with a dot on the visible vertices of every face.

    Args:
        image: the image of the faces.
        faces: faces whose vertices are drawn.
        color: RGB.
        alpha: opacity of a dot.
        stride: draw every `stride`-th vertex, if visible; None for as many as stay apart.
        background: what lies under the dots.

    Raises:
        InputError: an argument is not possible; the message says what is.
    """
    faces = faces_of(image, faces)
    color = as_color(color)
    check_alpha(alpha)
    if stride is not None:
        check_count("stride", stride, _LARGEST_STRIDE)
    out = canvas(image, background)
    test = DepthTest(faces, *image.shape[:2])
    for k, face in enumerate(faces):
        mesh = face.mesh
        low, high = kernel.bounds(mesh.vertices)
        size = float(np.sqrt((high - low)[:2].prod()))
        side = max(1, round(size / 260))
        chosen = (
            np.arange(0, len(mesh.vertices), stride) if stride else _apart(mesh.topology, _cells(size / side))
        )
        chosen = chosen[test.visible(k, chosen)]
        row, column = squares(mesh.vertices[chosen, 0], mesh.vertices[chosen, 1], side, *image.shape[:2])
        blend_color_at(out, row, column, color, alpha)
    return out


def _cells(dots: float) -> int:
    # In steps of 20 %, so that the choice of vertices rests while a face moves.
    return round(1.2 ** round(np.log(max(dots / _SPACING, 1)) / np.log(1.2)))


@lru_cache(maxsize=8)
def _apart(topology: Topology, cells: int) -> Int64[np.ndarray, " n"]:
    """Return one vertex in each cube of `cells` along each axis of the mean face: the same in every frame."""
    where = topology.colors * np.float32(cells)
    whole = np.floor(where).astype(np.int64)
    off_center = np.abs(where - whole - np.float32(0.5)).max(axis=1)
    order = np.lexsort((off_center, *whole.T))
    new = np.diff(whole[order], axis=0, prepend=-1).any(axis=1)
    return np.sort(order[new])
