"""Which vertices and landmarks the camera sees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from tddfa.render.kernel import kernel
from tddfa.render.kernel_values import DepthBuffer
from tddfa.render.rasterizer import back_to_front, scaled_region, screen_region
from tddfa.shapes import Bool, Float32, Int64
from tddfa.types import Face, Image, Mesh
from tddfa.types.arguments import faces_of

_COARSE = 100.0  # size of a mesh in its z-buffer, cells; a fraction of the pixels is enough for dots
_FINE = 500.0  # for answers, whatever the pixels: landmarks of the jaw lie where the surface is steep
_MOST = 16.0  # cells in a pixel
_TOLERANCE = 0.02  # depth under the surface at which a vertex still lies on it, in sizes of the mesh
_LANDMARK_TOLERANCE = 0.03  # the inner corners of the lips lie in a fold


def visible_landmarks(
    image: Image, faces: Iterable[Face], name: str = "ibug68"
) -> list[Bool[np.ndarray, " n_points"]]:
    """Return whether the camera sees each landmark of each face.

    It sees those that lie in the image, not behind the face's own nose or cheek, and not behind a nearer
    face. Hair, hands and glasses hide nothing: they are no part of the mesh.

    Args:
        image: the image of the faces; only its size counts.
        faces: all faces that can hide one another.
        name: a set of the model's landmarks, as of `Face.points`.

    Raises:
        InputError: an argument is not possible; the message says what is.
    """
    faces = faces_of(image, faces)
    test = DepthTest(faces, *image.shape[:2], fine=True)
    return [test.visible_landmarks(k, face.points(name)) for k, face in enumerate(faces)]


def visible_vertices(image: Image, faces: Iterable[Face]) -> list[Bool[np.ndarray, " n_vertices"]]:
    """Return whether the camera sees each vertex of each face, as `visible_landmarks` does of landmarks.

    Args:
        image: the image of the faces; only its size counts.
        faces: all faces that can hide one another.

    Raises:
        InputError: an argument is not possible; the message says what is.
    """
    faces = faces_of(image, faces)
    test = DepthTest(faces, *image.shape[:2], fine=True)
    return [test.visible(k) for k in range(len(faces))]


class DepthTest:
    """What the faces of an image hide: each its own far side, and nearer faces the farther ones behind them.

    Args:
        faces: all that can hide one another.
        height: height of the image, px.
        width: width of the image, px.
        fine: whether the z-buffers are fine enough for small faces and steep surfaces.
    """

    def __init__(self, faces: Sequence[Face], height: int, width: int, *, fine: bool = False) -> None:
        self._height, self._width, self._fine = height, width, fine
        self._meshes = [face.mesh for face in faces]
        screen_region(self._meshes, height, width)  # refuses vertices that cannot be drawn
        self._order = back_to_front(faces)
        self._sizes = [
            float((high - low).max()) for low, high in (kernel.bounds(m.vertices) for m in self._meshes)
        ]
        self._buffers = [
            self._buffer(mesh, size) for mesh, size in zip(self._meshes, self._sizes, strict=True)
        ]

    def visible(self, index: int, chosen: Int64[np.ndarray, " n"] | None = None) -> Bool[np.ndarray, " n"]:
        """Return whether each chosen vertex of a face lies in the image with nothing in front of it.

        Args:
            index: which face.
            chosen: indices of vertices; all when not given.
        """
        return self._seen(index, self._meshes[index].vertices, chosen, _TOLERANCE)

    def visible_landmarks(self, index: int, points: Float32[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
        """Return the same of landmarks of a face.

        Args:
            index: which face.
            points: image frame, px.
        """
        return self._seen(index, points, None, _LANDMARK_TOLERANCE)

    def _seen(
        self,
        index: int,
        points: Float32[np.ndarray, "n_points 3"],
        chosen: Int64[np.ndarray, " n"] | None,
        tolerance: float,
    ) -> Bool[np.ndarray, " n_seen"]:
        # At the outline the nearest cell may be empty; nothing hides a point there.
        depth = np.float32(tolerance * self._sizes[index])
        seen = kernel.visible(points, chosen, (self._height, self._width), self._buffers[index], depth)
        for front in self._order[self._order.index(index) + 1 :]:
            x, y = (points[:, k] if chosen is None else points[chosen, k] for k in range(2))
            seen &= ~_covers(self._buffers[front], x, y)
        return seen

    def _buffer(self, mesh: Mesh, size: float) -> DepthBuffer:
        scale = min(_FINE / max(size, 1), _MOST) if self._fine else 1 / max(1, int(size / _COARSE))
        region = scaled_region(screen_region([mesh], self._height, self._width), scale)
        return DepthBuffer(scale, region, kernel.depth([mesh], region, scale))


def _covers(
    buffer: DepthBuffer, x: Float32[np.ndarray, " n"], y: Float32[np.ndarray, " n"]
) -> Bool[np.ndarray, " n"]:
    """Return whether a face covers points of the image, px."""
    x0, y0, width, height = buffer.region
    scale = np.float32(buffer.scale)
    column = np.rint(x * scale).astype(np.int64) - x0
    row = np.rint(y * scale).astype(np.int64) - y0
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    covered = np.zeros(len(x), bool)
    covered[inside] = buffer.depth[row[inside], column[inside]] < np.inf
    return covered
