"""Close-ups of eyes and mouth with the pose of the head taken out, for networks that read expressions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tddfa.imaging.pyramid import Pyramid, pyramid_of
from tddfa.imaging.warp import sampled
from tddfa.shapes import Float, Float32
from tddfa.types import Image

# Views are sampled bilinearly; where one shows less than two of three pixels, the image is halved first.
_COARSEST = 1.5


@dataclass(frozen=True, eq=False)
class CloseUps:
    """Where each pixel of the views lies on the face.

    The views are one image: the eyes, and below them mouth and face side by side. A view samples the image
    where the camera shows points of a mean face, so that eyes and mouth are always seen from the front, at
    the same place and in the same size.

    Attributes:
        eyes: points of the model frame, mm.
        mouth: points of the model frame, mm.
        face: points of the model frame, mm; as high as the mouth's, and both as wide as those of the eyes.
    """

    eyes: Float32[np.ndarray, "eyes_height eyes_width 3"]
    mouth: Float32[np.ndarray, "mouth_height mouth_width 3"]
    face: Float32[np.ndarray, "mouth_height face_width 3"]

    def __call__(self, image: Image | Pyramid, camera: Float[np.ndarray, "3 4"]) -> Image:
        """Return the views of a face.

        Args:
            image: the image, or its pyramid, which the crops of other faces share.
            camera: `image_from_model` of the face.

        Returns:
            RGB; black where the image ends.
        """
        size = float(np.linalg.norm(camera[0, :3]))
        rows = np.ascontiguousarray(camera[:2].T, np.float32)
        pyramid = pyramid_of(image)
        # The view of the face first: the others lie within it, and its halved image serves them.
        face, mouth, eyes = (view.sampled(pyramid, rows, size) for view in reversed(self._views))
        return np.concatenate([eyes, np.concatenate([mouth, face], axis=1)])

    @cached_property
    def _views(self) -> list[_View]:
        return [_View.of(grid) for grid in (self.eyes, self.mouth, self.face)]


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """One view, ready to be sampled.

    Attributes:
        points: homogeneous coordinates of each pixel's point of the face, mm.
        shape: height and width, px.
        spacing: distance of two points, mm.
        middle: of the box around the points, homogeneous.
        reach: half the sides of that box.
    """

    points: Float32[np.ndarray, "_n 4"]
    shape: tuple[int, int]
    spacing: float
    middle: Float32[np.ndarray, "4"]
    reach: Float32[np.ndarray, "4"]

    @classmethod
    def of(cls, grid: Float32[np.ndarray, "_h _w 3"]) -> _View:
        points = np.pad(grid.reshape(-1, 3), [(0, 0), (0, 1)], constant_values=1)
        low, high = points.min(axis=0), points.max(axis=0)
        spacing = float(grid[0, 1, 0] - grid[0, 0, 0])
        return cls(points, grid.shape[:2], spacing, (low + high) / 2, (high - low) / 2)

    def sampled(self, pyramid: Pyramid, rows: Float32[np.ndarray, "4 2"], size: float) -> Image:
        """Return the image at the places of the points.

        Args:
            pyramid: the image and its halves.
            rows: homogeneous point → place, px.
            size: pixels per mm.
        """
        height, width = pyramid.image.shape[:2]
        step, level = size * self.spacing, 0
        while step > _COARSEST and max(height, width) >> level > 1:
            step, level = step / 2, level + 1
        if not level:
            return sampled(pyramid.image, np.dot(self.points, rows).reshape(*self.shape, 2))
        shrink = 1 << level
        middle, reach = (self.middle @ rows).tolist(), (self.reach @ np.abs(rows)).tolist()
        (x0, x1), (y0, y1) = (
            [int(min(max(end, 0), side - 1)) // shrink for end in (m - r - shrink, m + r + shrink)]
            for m, r, side in zip(middle, reach, (width, height), strict=True)
        )
        part = pyramid.part(level, x0, y0, x1 + 1, y1 + 1)
        rows = rows / np.float32(shrink)
        rows[3] += (0.5 / shrink - 0.5 - x0, 0.5 / shrink - 0.5 - y0)  # the position of a pixel is its centre
        return sampled(part, np.dot(self.points, rows).reshape(*self.shape, 2))
