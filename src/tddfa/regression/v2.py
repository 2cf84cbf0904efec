"""The networks of 3DDFA_V2: their crop, their 62 numbers, and the way back into the image.

Source: 3DDFA_V2; constants and rounding as it has them, because the networks were trained
with them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tddfa.errors import PackError
from tddfa.imaging.pixels import PixelFormat
from tddfa.imaging.warp import cut, resize
from tddfa.packs.specs import V2RegressorSpec
from tddfa.regression.crop import Square, box_in_crop, extent, regress_crops, shows_image
from tddfa.runtime import Network
from tddfa.shapes import Float, Float32, Float64
from tddfa.types import BoundingBox, FaceParams, Image

# Side of the crop, and its distance below the detection box, in mean sides of the box: detectors end at the
# brows.
_BOX_SCALE, _BOX_DOWN = 1.58, 0.14


class V2Regressor:
    """A network of 3DDFA_V2 with its statistics.

    Args:
        network: crops → `params` (n, 62), z-scored.
        mean: mean of the 62 numbers.
        std: standard deviation of the 62 numbers.
        size: side of the crop, px.
        pixels: layout of the network's input.
        n_identity: count of identity coefficients among the 62 numbers.
        mm_per_model_unit: unit of the face model.
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
    def from_spec(
        cls, network: Network, spec: V2RegressorSpec, arrays: Callable[[str], Mapping[str, Any]]
    ) -> V2Regressor:
        """Return the regressor that a manifest describes."""
        statistics = arrays(spec.statistics)
        return cls(
            network,
            mean=statistics["mean"],
            std=statistics["std"],
            size=spec.input.size,
            pixels=PixelFormat(spec.input.mean, spec.input.scale, spec.input.channels),
            n_identity=spec.parameters.identity,
            mm_per_model_unit=spec.parameters.mm_per_model_unit,
        )

    def from_boxes(self, images: Sequence[Image], boxes: Sequence[BoundingBox]) -> list[FaceParams | None]:
        """Return the parameters of the face in each detection box; None where no crop can be cut."""
        return self._regress(images, [square_around_box(box) for box in boxes])

    def from_points(
        self, images: Sequence[Image], points: Sequence[Float[np.ndarray, "_n _d"]]
    ) -> list[FaceParams | None]:
        """Return the parameters of the face on each set of points; None where no crop can be cut."""
        return self._regress(images, [square_around_points(p) for p in points])

    def from_crops(self, crops: Sequence[Image], squares: Sequence[BoundingBox]) -> list[FaceParams]:
        """Return the parameters of the faces in crops that were cut before, in the frames of their images."""
        resized = [
            (resize(crop, self._size, self._size), box) for crop, box in zip(crops, squares, strict=True)
        ]
        return [params for params in regress_crops(resized, self._decode) if params is not None]

    def box_around(self, points: Float[np.ndarray, "n d"], like: BoundingBox) -> BoundingBox | None:
        """Return the detection box, in the shape of `like`, that has the same crop as the points."""
        box = square_around_points(points)
        if box is None:
            return None
        square: Square = (*box.center, box.width)
        return box_in_crop(square, like, scale=_BOX_SCALE, down=_BOX_DOWN)

    def params_of_crops(self, crops: Sequence[Image]) -> Float32[np.ndarray, "n p"]:
        """Return the 62 numbers of each RGB crop (size, size, 3), no longer z-scored."""
        raw = self._network(self._pixels.blob(crops)).get("params")
        if raw is None or raw.shape[1:] != self._mean.shape:
            raise PackError("the pack's network does not give the numbers that its manifest describes")
        return raw * self._std + self._mean

    def _regress(
        self, images: Sequence[Image], squares: Sequence[BoundingBox | None]
    ) -> list[FaceParams | None]:
        crops: list[tuple[Image, BoundingBox] | None] = []
        for image, square in zip(images, squares, strict=True):
            pixels = None if square is None else cut_crop(image, square, self._size)
            crops.append(None if square is None or pixels is None else (pixels, square))
        return regress_crops(crops, self._decode)

    def _decode(self, crops: Sequence[tuple[Image, BoundingBox]]) -> list[FaceParams]:
        numbers = self.params_of_crops([pixels for pixels, _ in crops])
        return [
            decode(p, square, self._size, self._n_identity, self._mm_per_model_unit)
            for p, (_, square) in zip(numbers, crops, strict=True)
        ]


def square_around_box(box: BoundingBox) -> BoundingBox | None:
    """Return the crop for a detection box, larger and lower than the box; None for one below a pixel."""
    mean_side = (box.width + box.height) / 2
    side = int(_BOX_SCALE * mean_side)
    if side < 1:
        return None
    x, y = box.center
    return _square(x, y + _BOX_DOWN * mean_side, side)


def square_around_points(points: Float[np.ndarray, "n d"]) -> BoundingBox | None:
    """Return the crop for landmarks or vertices: √2 times the longer side of the box around them."""
    if (box := extent(points.astype(np.float64))) is None:
        return None
    x, y, width, height = box
    return _square(x, y, math.sqrt(2) * max(width, height))


def cut_crop(image: Image, square: BoundingBox, size: int) -> Image | None:
    """Return the part of the image in `square`, `size` px wide, black outside; None where no face can be."""
    # Corners at whole pixels; round half to even, as 3DDFA_V2.
    x0, y0, x1, y1 = (round(v) for v in square)
    if x1 <= x0 or y1 <= y0 or not shows_image(image, x0, y0, x1, y1):
        return None
    return resize(cut(image, x0, y0, x1, y1), size, size)


def _square(x: float, y: float, side: float) -> BoundingBox:
    x0, y0 = x - side / 2, y - side / 2
    return BoundingBox(x0, y0, x0 + side, y0 + side)


def decode(
    p: Float32[np.ndarray, " p"], square: BoundingBox, size: int, n_identity: int, mm_per_model_unit: float
) -> FaceParams:
    """Return the face in the image for the 62 numbers that a network of 3DDFA_V2 predicts for a crop.

    Args:
        p: 12 numbers of the camera (3×4, row by row), then identity, then expression.
        square: the crop in the image, before its corners were rounded.
        size: side of the crop, px of the crop.
        n_identity: count of identity coefficients.
        mm_per_model_unit: unit of the face model of the numbers.

    Source: 3DDFA_V2. Its crop has y up and z towards the viewer, and counts from 1; the shift by
        one pixel in x, and none in y, is not the inverse of the crop, but the networks' errors absorb it.
    """
    per_px_x, per_px_y = square.width / size, square.height / size
    per_px = (per_px_x, -per_px_y, -(per_px_x + per_px_y) / 2)
    # Depth is relative: the origin of the model lies at z = 0.
    origin = (square.x0 - per_px_x, square.y0 + per_px_y * size, None)
    # Plain numbers: a call of NumPy costs more than the whole arithmetic for a dozen of them.
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
