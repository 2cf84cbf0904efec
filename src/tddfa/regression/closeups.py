"""Close-ups of eyes and mouth with the pose of the head taken out, for networks that read expressions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property

import numpy as np

from tddfa import native
from tddfa.dataclass import dataclass
from tddfa.imaging.halving import with_whole_pixels
from tddfa.imaging.pyramid import Pyramid, pyramid_of
from tddfa.imaging.warp import sampled
from tddfa.shapes import Float, Float32, UInt8
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

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> CloseUps:
        """Return the close-ups of a pack.

        Args:
            arrays: `eyes`, `mouth` and `face`, points of the model frame, mm.
        """
        return cls(*(arrays[name].astype(np.float32) for name in ("eyes", "mouth", "face")))

    def __call__(self, image: Image | Pyramid, camera: Float[np.ndarray, "3 4"]) -> Image:
        """Return the views of a face.

        Args:
            image: the image, or its pyramid, which the crops of other faces share.
            camera: `image_from_model` of the face.

        Returns:
            RGB; black where the image ends.
        """
        out = np.empty(self.shape, np.uint8)
        size = math.hypot(*camera[0, :3].tolist())
        rows = np.ascontiguousarray(camera[:2].T, np.float32)
        pyramid = pyramid_of(image)
        for view in self._views:
            view.sample(pyramid, rows, size, out)
        return out

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the views."""
        height, width = self.eyes.shape[:2]
        return height + len(self.mouth), width, 3

    @cached_property
    def _views(self) -> list[_View]:
        # The view of the face first: the others lie within it, and its halved image serves them.
        top, left = len(self.eyes), self.mouth.shape[1]
        return [
            _View.of(self.face, top=top, left=left),
            _View.of(self.mouth, top=top, left=0),
            _View.of(self.eyes, top=0, left=0),
        ]


@dataclass(frozen=True, eq=False)
class _View:
    """One view, ready to be sampled.

    Attributes:
        points: coordinates of each pixel's point of the face: x, y and z, mm.
        top: row of the joined views that it begins at.
        left: column of the joined views that it begins at.
        spacing: distance of two points, mm.
        middle: x, y and z of the middle of the box around the points.
        reach: half the sides of that box.
    """

    points: Float32[np.ndarray, "3 _h _w"]
    top: int
    left: int
    spacing: float
    middle: tuple[float, ...]
    reach: tuple[float, ...]

    @classmethod
    def of(cls, grid: Float32[np.ndarray, "_h _w 3"], *, top: int, left: int) -> _View:
        points = np.ascontiguousarray(np.moveaxis(grid, 2, 0))
        low, high = points.min(axis=(1, 2)), points.max(axis=(1, 2))
        spacing = float(grid[0, 1, 0] - grid[0, 0, 0])
        middle, reach = (low + high) / 2, (high - low) / 2
        return cls(points, top, left, spacing, tuple(middle.tolist()), tuple(reach.tolist()))

    def sample(
        self, pyramid: Pyramid, rows: Float32[np.ndarray, "4 2"], size: float, out: UInt8[np.ndarray, "h w 3"]
    ) -> None:
        """Fill this view's part of the joined views with the image at the places of the points.

        Args:
            pyramid: the image and its halves.
            rows: homogeneous point → place, px.
            size: pixels per mm.
            out: the joined views.
        """
        height, width = pyramid.image.shape[:2]
        step, level, image = size * self.spacing, 0, pyramid.image
        while step > _COARSEST and max(height, width) >> level > 1:
            step, level = step / 2, level + 1
        if level:
            shrink = 1 << level
            (x0, x1), (y0, y1) = (
                self._span(column, side, shrink)
                for column, side in zip(zip(*rows.tolist(), strict=True), (width, height), strict=True)
            )
            image, _, _ = pyramid.within(level, x0, y0, x1 + 1, y1 + 1)
            rows = rows / np.float32(shrink)
            rows[3] += (0.5 / shrink - 0.5 - x0, 0.5 / shrink - 0.5 - y0)  # pixels lie at their centres
        where = self.top, self.left, *out.shape[:2]
        kernel, (h, w) = native.kernel, self.points.shape[1:]
        if kernel is None or not kernel.sample(
            with_whole_pixels(image), h, w, self.points, rows, *where, out
        ):
            places = np.dot(self._homogeneous, rows).reshape(h, w, 2)
            out[self.top : self.top + h, self.left : self.left + w] = sampled(image, places)

    def _span(self, column: tuple[float, ...], side: int, shrink: int) -> tuple[int, int]:
        """Return the first and last pixel of a level that is needed along one side of the image.

        Args:
            column: homogeneous point → place along that side, px.
            side: length of the side, px.
            shrink: pixels of the image per pixel of the level.
        """
        middle, reach = column[3], float(shrink)
        for part, m, r in zip(column, self.middle, self.reach, strict=False):
            middle, reach = middle + part * m, reach + abs(part) * r
        first, last = (int(min(max(end, 0), side - 1)) // shrink for end in (middle - reach, middle + reach))
        return first, last

    @cached_property
    def _homogeneous(self) -> Float32[np.ndarray, "_n 4"]:
        points = self.points.reshape(3, -1).T
        return np.pad(points, [(0, 0), (0, 1)], constant_values=1)
