"""The `wireframe` overlay: the edges of the mesh that the camera sees."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from tddfa.imaging.draw import segment_coverage
from tddfa.render.compose import Background, Drawing, blend_color, canvas, window_between
from tddfa.render.kernel import kernel
from tddfa.render.visibility import DepthTest
from tddfa.shapes import Int32
from tddfa.types import Face, Image, Topology
from tddfa.types.arguments import as_color, check_alpha, check_count, faces_of

_THICKEST = 1000  # px


def draw_wireframe(
    image: Image,
    faces: Iterable[Face],
    *,
    color: tuple[int, int, int] = (255, 255, 255),
    alpha: float = 0.5,
    thickness: int = 1,
    background: Background = "photo",
) -> Drawing:
    """Return the image with the visible edges of every face's mesh.

    Args:
        image: the image of the faces.
        faces: faces whose meshes are drawn.
        color: RGB.
        alpha: opacity of a line.
        thickness: thickness of a line, px.
        background: what lies under the lines.

    Raises:
        InputError: an argument is not possible; the message says what is.
    """
    faces = faces_of(image, faces)
    color = as_color(color)
    check_alpha(alpha)
    check_count("thickness", thickness, _THICKEST)
    out = canvas(image, background)
    test = DepthTest(faces, *image.shape[:2])
    for k, face in enumerate(faces):
        vertices, seen = face.mesh.vertices, test.visible(k)
        low, high = kernel.bounds(vertices)[:, :2].tolist()
        x0, y0, w, h = window_between(low, high, thickness + 1, *image.shape[:2])
        ends = _edges(face.mesh.topology)
        lines = segment_coverage(vertices, ends, thickness, h, w, origin=(x0, y0), seen=seen)
        blend_color(out, lines, color, alpha=alpha, x0=x0, y0=y0)
    return out


@lru_cache(maxsize=4)
def _edges(topology: Topology) -> Int32[np.ndarray, "n_edges 2"]:
    """Return both ends of each edge of the triangles once."""
    t = topology.triangles
    pairs = np.sort(np.concatenate([t[:, [0, 1]], t[:, [1, 2]], t[:, [2, 0]]]).astype(np.int64), axis=1)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    n = len(topology.colors)
    # One number an edge: rows of two take ten times as long, and load `numpy.ma`.
    first, second = np.divmod(np.unique(pairs @ [n, 1], return_index=True)[0], n)
    return np.stack([first, second], axis=1).astype(np.int32)
