"""The networks of 3DDFA_V2: their crop, their 62 numbers, and the way back into the picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Float64

from tddfa.errors import PackError
from tddfa.imaging.pixels import PixelFormat
from tddfa.imaging.warp import resize
from tddfa.regression.crop import box_around_points, cut_crop, square_around_box, square_around_points
from tddfa.runtime import Network
from tddfa.types import BoundingBox, FaceParams, Image


class PublishedRegressor:
    """A published network with its statistics.

    Args:
        network: crops → `params` (n, 62), z-scored.
        mean: of the 62 numbers.
        std: of the 62 numbers.
        size: side of the crop, px.
        pixels: how the network reads the crop.
        n_identity: how many of the numbers are identity.
        mm_per_model_unit: the face model's unit.
    """

    def __init__(
        self,
        network: Network,
        *,
        mean: Float32[np.ndarray, " p"],
        std: Float32[np.ndarray, " p"],
        size: int,
        pixels: PixelFormat,
        n_identity: int,
        mm_per_model_unit: float,
    ) -> None:
        self._network = network
        self._mean, self._std = mean, std
        self._size = size
        self._pixels = pixels
        self._n_identity = n_identity
        self._mm_per_model_unit = mm_per_model_unit

    @classmethod
    def from_settings(
        cls, network: Network, settings: Mapping[str, Any], arrays: Callable[[str], Mapping[str, Any]]
    ) -> PublishedRegressor:
        """The regressor with the settings of a manifest."""
        statistics, layout = arrays(settings["statistics"]), settings["parameters"]
        return cls(
            network,
            mean=statistics["mean"],
            std=statistics["std"],
            size=settings["input"]["size"],
            pixels=PixelFormat.from_settings(settings["input"]),
            n_identity=layout["identity"],
            mm_per_model_unit=layout["mm_per_model_unit"],
        )

    def from_boxes(self, image: Image, boxes: Sequence[BoundingBox]) -> list[FaceParams]:
        """The parameters of the faces in detection boxes."""
        return self._regress(image, [square_around_box(box) for box in boxes])

    def from_points(self, image: Image, points: Sequence[Float[np.ndarray, "n d"]]) -> list[FaceParams]:
        """The parameters of the faces that landmarks or vertices (px) lie on, as when tracking."""
        return self._regress(image, [square_around_points(p) for p in points])

    def box_around(self, points: Float[np.ndarray, "n d"], like: BoundingBox) -> BoundingBox:
        """The detection box, in the shape of `like`, for which the same crop is cut as for the points."""
        return box_around_points(points, like)

    def from_crops(self, crops: Sequence[Image], squares: Sequence[BoundingBox]) -> list[FaceParams]:
        """The parameters of the faces in crops that were cut before, in the pictures they were cut from."""
        return self._decode([resize(crop, self._size, self._size) for crop in crops], squares)

    def _regress(self, image: Image, squares: Sequence[BoundingBox]) -> list[FaceParams]:
        return self._decode([cut_crop(image, square, self._size) for square in squares], squares)

    def _decode(self, crops: Sequence[Image], squares: Sequence[BoundingBox]) -> list[FaceParams]:
        if not crops:
            return []
        numbers = self.params_of_crops(crops)
        return [
            decode(p, square, self._size, self._n_identity, self._mm_per_model_unit)
            for p, square in zip(numbers, squares, strict=True)
        ]

    def params_of_crops(self, crops: Sequence[Image]) -> Float32[np.ndarray, "n p"]:
        """The 62 numbers of each RGB crop (size, size, 3), in the published layout, no longer z-scored."""
        raw = self._network(self._pixels.blob(crops)).get("params")
        if raw is None or raw.shape[1:] != self._mean.shape:
            raise PackError("the pack's network does not give the numbers that its manifest describes")
        return raw * self._std + self._mean


def decode(
    p: Float32[np.ndarray, " p"], square: BoundingBox, size: int, n_identity: int, mm_per_model_unit: float
) -> FaceParams:
    """The face in the picture, from the 62 numbers that a published network says of a crop.

    Args:
        p: 12 numbers of the camera (3×4, row by row), then identity, then expression.
        square: the crop in the picture, before its corners were rounded.
        size: of the crop, px.
        n_identity: how many numbers are identity.
        mm_per_model_unit: the unit of the numbers' face model.

    Source: the published program. Its crop has y up and z towards the viewer, and starts counting at 1; the
        shift by one pixel in x, and none in y, is not the inverse of the crop, but the networks' errors
        absorb it.
    """
    per_px_x, per_px_y = square.width / size, square.height / size
    per_px = (per_px_x, -per_px_y, -(per_px_x + per_px_y) / 2)
    # Depth is relative: the origin of the model lies at z = 0.
    origin = (square.x0 - per_px_x, square.y0 + per_px_y * size, None)
    # Plain numbers: for a dozen of them every call of NumPy costs more than all of this.
    numbers = p[:12].tolist()
    camera: Float64[np.ndarray, "3 4"] = np.array(
        [
            [
                *(step * v / mm_per_model_unit for v in numbers[4 * row : 4 * row + 3]),
                0.0 if start is None else step * numbers[4 * row + 3] + start,
            ]
            for row, (step, start) in enumerate(zip(per_px, origin, strict=True))
        ]
    )
    return FaceParams(camera, p[12 : 12 + n_identity], p[12 + n_identity :])
